"""The Enter key, pressed on a terminal of the test's own."""

import os
import sys
import termios
from collections.abc import Iterator

import pytest

from antiphon.cli.keys import NoKeys, enter_key
from tests.fakes.keyboard import nothing, pipe, terminal


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with terminal(monkeypatch) as keys:
        yield keys


def _echoes() -> bool:
    return bool(termios.tcgetattr(sys.stdin.fileno())[3] & termios.ECHO)


async def test_enter_is_heard_each_time_and_other_keys_are_not(keyboard: int) -> None:
    with enter_key() as enter:
        os.write(keyboard, b"\n")
        assert await enter.pressed()
        os.write(keyboard, b"xyz\n")
        assert await enter.pressed()


async def test_a_terminal_shows_nothing_meanwhile_and_everything_afterwards(
    keyboard: int,
) -> None:
    assert _echoes()
    with pytest.raises(KeyboardInterrupt), enter_key():
        assert not _echoes()
        raise KeyboardInterrupt
    assert _echoes()


async def test_the_end_of_the_input_is_not_enter(keyboard: int) -> None:
    with enter_key() as enter:
        os.write(keyboard, b"\x04")
        assert not await enter.pressed()
        assert not await enter.pressed()


async def test_a_pipe_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe(monkeypatch) as keys, enter_key() as enter:
        os.write(keys, b"\n")
        assert await enter.pressed()
        os.close(keys)
        assert not await enter.pressed()


async def test_where_no_key_can_be_pressed_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        nothing(monkeypatch),
        pytest.raises(NoKeys, match="--turn-taking"),
        enter_key(),
    ):
        pass
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(NoKeys, match="--turn-taking"), enter_key():
        pass
