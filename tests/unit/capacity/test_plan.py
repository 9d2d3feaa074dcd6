"""From conversations to replicas."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.capacity import figures as names
from deploy.capacity.beside import Provider
from deploy.capacity.figures import Figures, Replica
from deploy.capacity.gpu import Carried, Gpu
from deploy.capacity.page import PAGE, renewed
from deploy.capacity.plan import (
    FILLED,
    HOSTED_STREAMS,
    Need,
    Plan,
    Profile,
    make,
)
from deploy.capacity.reading import BadInput
from deploy.capacity.tables import disturbance
from deploy.capacity.traffic import Kind, places, replicas

ROOT = Path(__file__).parents[3]
NOT_MEASURED = Gpu("not measured", "not measured")
MEASURED = Gpu(Carried(64, False, "some GPU"), Carried(32, True, "some GPU"))


@pytest.fixture
def figures() -> Figures:
    """The shipped ones, with round numbers that decide."""
    shipped = names.read()

    def carrying(name: str, carried: int, **more: float) -> Replica:
        return dataclasses.replace(
            shipped.replicas[name],
            carried=carried,
            streams=carried,
            claimed=4,
            memory_mb=100.0,
            series=10,
            **more,
        )

    return dataclasses.replace(
        shipped,
        conversation=dataclasses.replace(
            shipped.conversation,
            turns_per_minute=5.0,
            hearing=0.25,
            answering=0.5,
            drafts=1.2,
            prompt_tokens=150.0,
            reply_tokens=50.0,
        ),
        replicas={
            names.GATEWAY: carrying(names.GATEWAY, 100),
            names.STT: carrying(names.STT, 10),
            names.LLM: carrying(names.LLM, 200),
            names.LLM_LOCAL: carrying(names.LLM_LOCAL, 8),
            names.TTS: carrying(names.TTS, 4),
        },
    )


def plan(
    figures: Figures,
    conversations: int,
    profile: Profile = Profile.CPU,
    gpu: Gpu = NOT_MEASURED,
    provider: Provider = Provider(),  # noqa: B008  # frozen
    spare: int = 0,
) -> Plan:
    return make(conversations, profile, figures, gpu, provider, spare)


def need(made: Plan, component: str) -> Need:
    return next(each for each in made.needs if each.component == component)


def test_the_recognizer_hears_a_share_of_the_time(figures: Figures) -> None:
    stt = need(plan(figures, 1000), "stt")
    assert stt.busy == 250
    assert stt.replicas == stt.cores == replicas(1000, 0.25, 10)
    assert stt.memory_mb == stt.replicas * 100


def test_an_answer_that_is_begun_twice_is_made_twice(figures: Figures) -> None:
    tts = need(plan(figures, 1000), "tts")
    assert tts.busy == pytest.approx(1000 * 0.5 * 1.2)
    assert tts.replicas == replicas(1000, 0.6, 4, Kind.SHARED)


def test_nobody_is_answered_for_more_than_all_of_the_time(figures: Figures) -> None:
    asked = dataclasses.replace(figures.conversation, answering=0.9, drafts=2.0)
    made = plan(dataclasses.replace(figures, conversation=asked), 100)
    assert need(made, "tts").busy == 100


def test_gateways_are_not_filled_to_the_brim(figures: Figures) -> None:
    assert need(plan(figures, 80), "gateway").replicas == 1
    assert need(plan(figures, 81), "gateway").replicas == 2
    assert need(plan(figures, 1000), "gateway").replicas == math.ceil(
        1000 / (100 * FILLED)
    )


def test_each_local_model_has_a_proxy_of_its_own(figures: Figures) -> None:
    made = plan(figures, 1000)
    assert need(made, "llm").replicas == need(made, "llm-local").replicas


def test_a_model_of_ones_own_has_no_provider_that_limits_it(figures: Figures) -> None:
    made = plan(figures, 1000, provider=Provider(10.0, 1000.0))
    assert made.beside.requests_per_minute == 0
    assert made.beside.provider_carries is None


def test_spare_replicas_come_on_top_of_each_kind(figures: Figures) -> None:
    bare, spared = plan(figures, 500), plan(figures, 500, spare=2)
    for one, other in zip(bare.needs, spared.needs, strict=True):
        assert one.replicas is not None
        assert other.replicas == one.replicas + 2


def test_a_stage_that_lets_in_too_few_is_told_of(figures: Figures) -> None:
    assert need(plan(figures, 10), "stt").max_streams == 10
    whole = dict(figures.replicas)
    whole[names.STT] = dataclasses.replace(whole[names.STT], claimed=12)
    generous = dataclasses.replace(figures, replicas=whole)
    assert need(plan(generous, 10), "stt").max_streams is None


def test_short_streams_need_fewer_places_than_people(figures: Figures) -> None:
    whole = dict(figures.replicas)
    step = dataclasses.replace(whole[names.LLM].steps[0], at_once=2000, streams=80.0)
    whole[names.LLM] = dataclasses.replace(
        whole[names.LLM], carried=2000, steps=(step,)
    )
    made = plan(dataclasses.replace(figures, replicas=whole), 1000, Profile.GPU)
    assert need(made, "llm").max_streams == places(80.0)
    assert 80 < places(80.0) < 150


def test_nobody_is_told_to_let_in_fewer_than_the_settings_of_hosted_models_do(
    figures: Figures,
) -> None:
    settings = yaml.safe_load((ROOT / "deploy" / "config" / "gemma.yaml").read_text())
    assert settings["llm"]["max_streams"] == HOSTED_STREAMS
    whole = dict(figures.replicas)
    step = dataclasses.replace(whole[names.LLM].steps[0], at_once=200, streams=8.0)
    whole[names.LLM] = dataclasses.replace(whole[names.LLM], steps=(step,))
    assert figures.replicas[names.LLM].claimed < places(8.0) < HOSTED_STREAMS
    made = plan(dataclasses.replace(figures, replicas=whole), 1000, Profile.GPU)
    assert need(made, "llm").max_streams is None


def test_proxies_beside_their_models_share_cores(figures: Figures) -> None:
    whole = dict(figures.replicas)
    step = dataclasses.replace(whole[names.LLM].steps[0], at_once=200, cores=0.5)
    whole[names.LLM] = dataclasses.replace(whole[names.LLM], steps=(step,))
    proxies = need(plan(dataclasses.replace(figures, replicas=whole), 1000), "llm")
    assert proxies.replicas is not None
    assert proxies.cores == math.ceil(proxies.replicas * 0.5 / 200 * 8)


def test_gpus_that_nobody_measured_are_not_invented(figures: Figures) -> None:
    made = plan(figures, 1000, Profile.GPU)
    for component in ("stt", "tts"):
        unknown = need(made, component)
        assert unknown.replicas is unknown.cores is unknown.carried is None
        assert unknown.gpus == 0
        assert unknown.missing == "not measured"
    assert made.beside.connections is made.beside.series is None


def test_measured_gpus_are_counted(figures: Figures) -> None:
    made = plan(figures, 1000, Profile.GPU, MEASURED)
    assert need(made, "stt").gpus == replicas(1000, 0.25, 64)
    assert need(made, "tts").gpus == replicas(1000, 0.6, 32)
    assert need(made, "stt").cores is None


def test_every_gateway_is_connected_to_every_replica(figures: Figures) -> None:
    made = plan(figures, 1000)
    stages = sum(need(made, each).replicas or 0 for each in ("stt", "llm", "tts"))
    gateways = need(made, "gateway").replicas
    assert gateways is not None
    assert made.beside.connections == gateways * stages
    assert made.beside.series == (gateways + stages) * 10
    assert made.beside.descriptors == math.ceil(1000 / gateways) + stages


def test_audio_is_what_the_network_carries(figures: Figures) -> None:
    beside = plan(figures, 1000).beside
    assert beside.megabits_in == pytest.approx(256.0)
    assert beside.megabits_out == pytest.approx(1000 * 0.384 * 0.5)


def test_a_hosted_model_is_asked_for_every_draft(figures: Figures) -> None:
    beside = plan(figures, 100, Profile.GPU).beside
    assert beside.requests_per_minute == pytest.approx(100 * 5 * 1.2)
    assert beside.tokens_per_minute == pytest.approx(100 * 5 * 1.2 * 200)
    assert beside.provider_carries is None
    assert plan(figures, 100).beside.requests_per_minute == 0


@pytest.mark.parametrize(
    ("provider", "carries"),
    [
        (Provider(requests_per_minute=600), 100),
        (Provider(tokens_per_minute=60_000), 50),
        (Provider(600, 60_000), 50),
        (Provider(60, 60_000), 10),
    ],
)
def test_the_tighter_limit_of_a_provider_decides(
    figures: Figures, provider: Provider, carries: int
) -> None:
    made = plan(figures, 100, Profile.GPU, provider=provider)
    assert made.beside.provider_carries == carries


@pytest.mark.parametrize(
    ("conversations", "spare", "complaint"),
    [
        (0, 0, r"conversations: is 0"),
        (10**9, 0, r"conversations: is 1000000000, and has to be 1 to 100,000,000"),
        (10, -1, r"spare: is -1"),
    ],
)
def test_numbers_out_of_range_are_refused(
    figures: Figures, conversations: int, spare: int, complaint: str
) -> None:
    with pytest.raises(BadInput, match=complaint):
        plan(figures, conversations, spare=spare)


def test_a_stage_that_carries_nothing_is_said_and_not_divided_by(
    figures: Figures,
) -> None:
    slow = dict(figures.replicas)
    slow[names.LLM_LOCAL] = dataclasses.replace(slow[names.LLM_LOCAL], carried=0)
    made = plan(dataclasses.replace(figures, replicas=slow), 10)
    assert need(made, "llm-local").replicas is need(made, "llm").replicas is None
    assert "does not carry one stream" in need(made, "llm").missing


def test_the_page_is_what_the_figures_make_of_it() -> None:
    """Where it is not: scripts/capacity.sh --write-page."""
    page = PAGE.read_text()
    assert renewed(page, names.read()) == page


def test_figures_of_a_busy_machine_say_so(figures: Figures) -> None:
    def measured(others: float) -> Figures:
        replicas = {
            name: dataclasses.replace(
                each,
                steps=tuple(dataclasses.replace(s, others=others) for s in each.steps),
            )
            for name, each in figures.replicas.items()
        }
        return dataclasses.replace(figures, replicas=replicas)

    assert "up to 40 % of that core" in disturbance(measured(0.4))
    assert not disturbance(measured(0.1))


def test_a_page_without_its_marks_is_not_written() -> None:
    with pytest.raises(BadInput, match="has to have <!-- carried -->"):
        renewed("# Scaling\n", names.read())


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["scripts/capacity.sh", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_what_it_is_asked_for() -> None:
    done = run(CONVERSATIONS="500 2,000", PROFILE="cpu", SPARE="1", JSON="1")
    assert done.returncode == 0, done.stderr
    plans = json.loads(done.stdout)
    assert [each["conversations"] for each in plans] == [500, 2000]
    assert {each["profile"] for each in plans} == {"cpu"}


def test_the_command_reads_a_file_of_ones_own(figures: Figures, tmp_path: Path) -> None:
    names.write(figures, tmp_path / "my figures.toml")
    done = run(
        "--json",
        CONVERSATIONS="1000",
        PROFILE="cpu",
        FIGURES=str(tmp_path / "my figures.toml"),
    )
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)
    assert made["needs"][1]["replicas"] == replicas(1000, 0.25, 10)


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"CONVERSATIONS": "many"}, "argument conversations: 'many' is no whole"),
        ({"CONVERSATIONS": "0"}, "argument conversations: '0' is no whole number"),
        ({"PROFILE": "tpu"}, "argument --profile: invalid choice: 'tpu'"),
        ({"FIGURES": "nowhere.toml"}, "capacity: nowhere.toml cannot be read"),
        ({"MODELS": "nowhere.json"}, "capacity: nowhere.json cannot be read"),
        ({"TOKENS_PER_MINUTE": "-3"}, "argument --tokens-per-minute"),
        ({"SPARE": "-3"}, "capacity: spare: is -3"),
    ],
)
def test_bad_input_is_named_and_ends_with_status_2(
    environment: dict[str, str], complaint: str
) -> None:
    done = run(**environment)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_needs_nothing_but_python() -> None:
    """Without site-packages, since it is for whoever has only the repository."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "deploy.capacity", "--json", "10"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == len(Profile)
