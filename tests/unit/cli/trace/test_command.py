"""``antiphon trace`` as people and scripts use it, before a port that answers like a gateway's."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from antiphon.cli import main
from tests.fakes import turns

HAPPENED = [turns.ahead(1), turns.slow(2), turns.failed(3), turns.ahead(4)]


@pytest.fixture
def gateway() -> Iterator[str]:
    with turns.answering(lambda count: turns.written(*HAPPENED[-count:])) as address:
        yield address


def _trace(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["trace", *arguments], env={"COLUMNS": "100"})


def _numbers(done: Result) -> list[int]:
    return [turn["turn"] for turn in json.loads(done.stdout)["turns"]]


def test_the_last_turns_are_drawn_and_summed_up(gateway: str) -> None:
    done = _trace("--at", gateway)
    assert (done.exit_code, done.stderr) == (0, "")
    for number in (1, 2, 3, 4):
        assert f"turn {number}  " in done.stdout
    assert "over budget: llm, total" in done.stdout
    assert "4 turns, 1 failed" in done.stdout
    assert "\x1b" not in done.stdout


def test_turns_are_chosen_before_they_are_counted(gateway: str) -> None:
    assert _numbers(_trace("--at", gateway, "--json", "--last", "2")) == [3, 4]
    assert _numbers(_trace("--at", gateway, "--json", "--slow", "--last", "1")) == [2]
    assert _numbers(_trace("--at", gateway, "--json", "--failed")) == [3]
    chosen = _trace("--at", gateway, "--json", "--conversation", "7f3a", "--last", "1")
    assert _numbers(chosen) == [4]


def test_scripts_get_what_the_gateway_said(gateway: str) -> None:
    done = _trace("--at", gateway, "--json")
    said = json.loads(done.stdout)
    assert said["gateway"]["budgets"] == turns.BUDGETS
    assert said["turns"][1]["shares"] == HAPPENED[1]["shares"]
    assert said["turns"][1]["spans"] == HAPPENED[1]["spans"]


def test_the_page_is_written_and_the_folder_made(gateway: str, tmp_path: Path) -> None:
    file = tmp_path / "reports" / "trace.html"
    done = _trace("--at", gateway, "--html", str(file))
    assert done.exit_code == 0
    assert done.stdout.replace("\n", "").startswith(f"Saved {file}")
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_is_exit_status_2(
    gateway: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = _trace("--at", gateway, "--html", str(tmp_path / "file" / "trace.html"))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--last", "0"),
        ("--last", "201"),
        ("--last", "many"),
        ("--html", "a.html", "--json"),
        ("--html", "a.html", "--follow"),
        ("--at", "nowhere"),
        ("--html", "."),
    ],
)
def test_wrong_usage_is_exit_status_2(arguments: tuple[str, ...]) -> None:
    done = _trace(*arguments)
    assert done.exit_code == 2
    assert arguments[0] in done.stderr


def test_nobody_there_is_exit_status_3_and_says_what_to_do_once() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        done = _trace("--at", f"127.0.0.1:{held.getsockname()[1]}")
    assert done.exit_code == 3
    assert done.stderr.count("antiphon up") == 1
    assert "--gateway" not in done.stderr


def test_another_version_is_exit_status_1() -> None:
    with turns.answering(lambda _: {**turns.written(), "version": 2}) as address:
        done = _trace("--at", address)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "version 2" in done.stderr


def test_where_there_are_no_turns_yet_it_says_how_to_make_some() -> None:
    with turns.answering(lambda _: turns.written()) as address:
        done = _trace("--at", address)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "antiphon talk" in done.stderr
        assert json.loads(_trace("--at", address, "--json").stdout)["turns"] == []


def test_where_no_turn_is_of_the_kind_it_says_so(gateway: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.html"
    done = _trace("--at", gateway, "--conversation", "nobody", "--html", str(file))
    assert done.exit_code == 1
    assert "None of the last 4 turns" in done.stderr
    assert not file.exists()


def test_following_shows_turns_as_they_end_until_ctrl_c() -> None:
    happened = [turns.ahead(1)]
    code = "from antiphon.cli import main; main(prog_name='antiphon')"
    with turns.answering(lambda count: turns.written(*happened[-count:])) as address:
        options = ("--follow", "--json", "--slow", "--at", address)
        process = subprocess.Popen(
            [sys.executable, "-c", code, "trace", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            happened += [turns.slow(2), turns.ahead(3)]
            assert json.loads(process.stdout.readline())["turn"] == 2
            happened.append(turns.slow(4))
            assert json.loads(process.stdout.readline())["turn"] == 4
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate()
        finally:
            process.kill()
            process.wait()
    assert (process.returncode, rest, errors) == (0, "", "")
