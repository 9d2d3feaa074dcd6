"""The file of budgets: what it may say, and who goes by it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime.errors import FailedPrecondition
from services.runtime.telemetry import budgets
from services.runtime.telemetry.budgets import OBJECTIVES, SHARES, VARIABLE

PLAIN = """\
[budgets]
total = 2
endpointing = 0.7
stt = 0.2
llm = 0.65
tts = 0.1
gateway = 0.03

[objectives]
within_budget = 0.8
answered = 0.98
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budgets.toml"


def test_the_file_that_is_shipped_is_in_force_unless_another_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    shipped = budgets.load()
    assert set(shipped.shares) == set(SHARES)
    assert set(shipped.objectives) == set(OBJECTIVES)
    path.write_text(PLAIN)
    monkeypatch.setenv(VARIABLE, str(path))
    assert budgets.load().shares["llm"] == 0.65


def test_a_route_has_budgets_of_its_own_and_the_rest_of_everybodys(path: Path) -> None:
    path.write_text(PLAIN + "[routes.patient]\ntotal = 4.5\nllm = 3\n")
    read = budgets.read(path)
    assert read.of("patient") == {**read.shares, "total": 4.5, "llm": 3.0}
    assert read.of("") == read.of("default") == read.of("others") == read.shares
    assert read.named == ("default", "patient")
    assert [read.route(model) for model in ("patient", "", "others")] == [
        "patient",
        "default",
        "default",
    ]


SECONDS = "allowed: seconds above 0, up to 60"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", f"budgets.total is missing; {SECONDS}"),
        (PLAIN.replace("stt = 0.2\n", ""), f"budgets.stt is missing; {SECONDS}"),
        (PLAIN.replace("0.2", "'0.2'"), f"budgets.stt is '0.2'; {SECONDS}"),
        (PLAIN.replace("0.2", "true"), f"budgets.stt is True; {SECONDS}"),
        (PLAIN.replace("0.2", "0"), f"budgets.stt is 0; {SECONDS}"),
        (PLAIN.replace("0.2", "-0.2"), f"budgets.stt is -0.2; {SECONDS}"),
        (PLAIN.replace("0.2", "nan"), f"budgets.stt is nan; {SECONDS}"),
        (PLAIN.replace("0.2", "inf"), f"budgets.stt is inf; {SECONDS}"),
        (PLAIN.replace("0.2", "200"), f"budgets.stt is 200; {SECONDS}"),
        (PLAIN.replace("stt", "sst"), "budgets.sst is not known; allowed: total, "),
        (PLAIN.replace("[budgets]", "[budget]"), "budget is not known; allowed: "),
        ("budgets = 1\n", "budgets is 1; allowed: a table"),
        (PLAIN.replace("0.8", "1"), "objectives.within_budget is 1; allowed: a share"),
        (PLAIN.replace("0.8", "0.0"), "objectives.within_budget is 0.0; allowed: a sh"),
        (PLAIN.replace("answered", "heard"), "objectives.answered is missing"),
        (PLAIN + "[routes.a]\nlmm = 2\n", "routes.a.lmm is not known; allowed: total"),
        (PLAIN + "[routes.a]\nllm = []\n", f"routes.a.llm is []; {SECONDS}"),
        (PLAIN + "[routes]\na = 2\n", "routes.a is 2; allowed: a table"),
        (PLAIN + "[routes.'a b']\nx = 2\n", "routes.'a b'.x is not known"),
        (PLAIN + "[routes.default]\nllm = 2\n", "routes.default is not known; what"),
        (PLAIN + "routes = 2\n", "objectives.routes is not known"),
        ("[budgets", "is no TOML: "),
        ("budgets = " + "[" * 5_000, "is no TOML: "),
        ("caf\xe9", "is no TOML: "),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(
    text: str, named: str, path: Path
) -> None:
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FailedPrecondition) as refused:
        budgets.read(path)
    said = str(refused.value)
    assert said.startswith(f"{VARIABLE}={path}: ")
    assert named in said
    assert "\n" not in said


def test_all_that_is_wrong_is_said_at_once(path: Path) -> None:
    path.write_text(PLAIN.replace("0.2", "0").replace("0.98", "98"))
    with pytest.raises(FailedPrecondition, match=r"budgets\.stt.*objectives\.answered"):
        budgets.read(path)


def test_routes_are_no_more_than_histograms_bear(path: Path) -> None:
    routes = [f"[routes.r{index}]\n" for index in range(budgets.MOST_ROUTES + 1)]
    path.write_text(PLAIN + "".join(routes[1:]))
    assert len(budgets.read(path).routes) == budgets.MOST_ROUTES
    path.write_text(PLAIN + "".join(routes))
    with pytest.raises(FailedPrecondition, match="routes has 21 tables; allowed: 20"):
        budgets.read(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="nowhere: No such file"):
        budgets.read(tmp_path / "nowhere")
    with pytest.raises(FailedPrecondition, match="is no file"):
        budgets.read(tmp_path)


def test_what_might_never_end_is_not_read(path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="/dev/zero: is no file"):
        budgets.read(Path("/dev/zero"))
    os.mkfifo(path)
    with pytest.raises(FailedPrecondition, match="is no file"):
        budgets.read(path)


def test_a_file_that_is_something_else_is_not_read_to_its_end(path: Path) -> None:
    path.write_text(PLAIN + "#" * budgets.LARGEST_FILE)
    with pytest.raises(FailedPrecondition, match="larger than 65536 bytes"):
        budgets.read(path)


# --- in a process of its own, since edges are fixed when it begins -----------------------------------------


BUCKETS = """
import json
from prometheus_client import REGISTRY
from services.runtime.telemetry import metrics
metrics.RESPONSE_LATENCY.observe(0.1)
metrics.TURN_STAGE.labels("llm").observe(0.1)
found = {}
for family in REGISTRY.collect():
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            found.setdefault(family.name, []).append(sample.labels["le"])
print(json.dumps(found))
"""


def buckets(named: str) -> dict[str, list[float]]:
    """Edges of histograms in a process whose budgets stand in that file."""
    done = subprocess.run(
        [sys.executable, "-c", BUCKETS],
        env={**os.environ, VARIABLE: named},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    found = json.loads(done.stdout)
    return {name: [float(edge) for edge in edges] for name, edges in found.items()}


def test_every_budget_is_an_edge_of_the_histograms_it_is_for(path: Path) -> None:
    path.write_text(PLAIN + "[routes.slow]\nllm = 7.25\n[routes.fast]\ntotal = 0.333\n")
    wanted = {2.0, 0.7, 0.2, 0.65, 0.1, 0.03, 7.25, 0.333}
    found = buckets(str(path))
    for name in ("antiphon_response_latency_seconds", "antiphon_turn_stage_seconds"):
        assert wanted <= set(found[name])


def test_a_file_that_is_wrong_leaves_the_edges_of_the_one_that_is_shipped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    shares = set(budgets.load().shares.values())
    path.write_text("[budgets]\ntotal = 'soon'\n")
    assert shares <= set(buckets(str(path))["antiphon_response_latency_seconds"])


def test_a_gateway_leaves_with_one_line_where_its_budgets_are_wrong(path: Path) -> None:
    path.write_text(PLAIN.replace("llm = 0.65", "llm = 0"))
    ports = {f"ANTIPHON_GATEWAY_{name}PORT": "0" for name in ("", "METRICS_", "HTTP_")}
    left = subprocess.run(
        [sys.executable, "-m", "gateway"],
        env={
            **os.environ,
            **ports,
            VARIABLE: str(path),
            "ANTIPHON_GATEWAY_LOG_FORMAT": "json",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert left.returncode == 1
    (line,) = left.stderr.splitlines()
    assert json.loads(line)["reason"].startswith(
        f"{VARIABLE}={path}: budgets.llm is 0; {SECONDS}"
    )


STAGE = """
import sys
from services.runtime.errors import FailedPrecondition
from services.runtime.server import Service, run
from services.stt.settings import SpeechToTextSettings

class Unable(Service):
    name = "stt"
    full_names = ()
    def register(self, server): ...
    async def start(self):
        raise FailedPrecondition("enough seen")
    async def stop(self): ...

run(Unable(), SpeechToTextSettings.load(sys.argv[1:]))
"""


def test_a_stage_works_with_wrong_budgets_and_says_so(path: Path) -> None:
    path.write_text(PLAIN.replace("llm = 0.65", "llm = 0"))
    flags = ["--port=0", "--metrics-port=0", "--log-format=json"]
    left = subprocess.run(
        [sys.executable, "-c", STAGE, *flags],
        env={**os.environ, VARIABLE: str(path)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    loading, warning, end = map(json.loads, left.stderr.splitlines())
    assert (loading["event"], end["reason"]) == ("loading", "enough seen")
    assert warning["level"] == "warning"
    assert warning["reason"].startswith(f"{VARIABLE}={path}: budgets.llm is 0;")
