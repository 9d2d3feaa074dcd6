"""What one replica carries, on paper."""

import dataclasses
from pathlib import Path

import pytest

from deploy.capacity import figures
from deploy.capacity.reading import BadInput

SHIPPED = figures.SHIPPED.read_text()


def read(folder: Path, text: str) -> figures.Figures:
    path = folder / "mine.toml"
    path.write_text(text)
    return figures.read(path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    shipped = figures.read()
    figures.write(shipped, tmp_path / "again.toml")
    assert figures.read(tmp_path / "again.toml") == shipped


def test_the_shipped_file_is_what_the_benchmark_writes(tmp_path: Path) -> None:
    figures.write(figures.read(), tmp_path / "again.toml")
    assert (tmp_path / "again.toml").read_text() == SHIPPED


def test_what_is_carried_was_measured_and_kept_to_its_budget() -> None:
    shipped = figures.read()
    for name, replica in shipped.replicas.items():
        assert [step.at_once for step in replica.steps] == sorted(
            {step.at_once for step in replica.steps}
        )
        budget = getattr(shipped.budgets, name.split("-")[0])
        kept = {
            step.at_once
            for step in replica.steps
            if step.p95_ms <= budget and step.failed <= 0.05
        }
        assert replica.carried in kept | {0}, name
        assert replica.at_least == (replica.carried == replica.steps[-1].at_once), name


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("hearing = ", "hearing = 1.5  # ", r"conversation\.hearing is 1\.5, and has"),
        ("hearing = ", "hearing = 'much'  # ", r"conversation\.hearing is 'much'"),
        (
            "hearing = ",
            "hering = ",
            r"conversation\.hearing is missing; it is a number",
        ),
        ("drafts = ", "drafts = nan  # ", r"conversation\.drafts is nan"),
        ("drafts = ", "drafts = true  # ", r"conversation\.drafts is True"),
        ("drafts = ", "drafts = 0.5  # ", r"conversation\.drafts is 0\.5, and has"),
        ("made = ", "maid = 'x'\nmade = ", r"maid is not known here; there are: made"),
        ("made = ", "made = 3  # ", r"made is 3, and has to be a text"),
        ("[budgets]", "[budgets]\nasr = 3.0", r"budgets\.asr is not known here"),
        ("[budgets]", "[budget]", r"budgets is missing; it is a table, \[budgets\]"),
        (
            "[replicas.stt-whisper]",
            "[replicas.whisper]",
            r"replicas\.stt-whisper is missing",
        ),
        ("at_least = ", "at_least = 1  # ", r"at_least is 1, and has to be true or"),
        (
            "carried = ",
            "carried = -1  # ",
            r"gateway\.carried is -1, and has to be a w",
        ),
        ("carried = ", "carried = 2.5  # ", r"gateway\.carried is 2\.5, and has to be"),
        ("steps = [", "steps = 4\nmore = [", r"steps has to be a list of tables"),
        ("{ at_once = ", "{ at_once = 0, old = ", r"steps\[0\]\.at_once is 0, and has"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in SHIPPED
    with pytest.raises(BadInput, match=rf"mine\.toml: .*{complaint}"):
        read(tmp_path, SHIPPED.replace(old, new, 1))


def test_a_file_that_is_no_toml_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"mine\.toml is no TOML: .*line 1"):
        read(tmp_path, "]")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        figures.read(tmp_path / "nowhere.toml")


def test_texts_of_all_sorts_survive(tmp_path: Path) -> None:
    odd = dataclasses.replace(figures.read(), machine='a "core"\nof α \\ 2 GiB')
    figures.write(odd, tmp_path / "odd.toml")
    assert figures.read(tmp_path / "odd.toml") == odd
