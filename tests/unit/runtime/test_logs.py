"""What a line of the log carries, and what it does not."""

import json
import sys
from subprocess import run

import pytest

from services.runtime.words import Redaction, Words

SAY = """
import logging
import sys
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext
from services.runtime import logs
from services.runtime.settings import ProcessSettings
from services.runtime.words import Words

logs.configure(ProcessSettings.load(sys.argv[1:]))
log, library = logs.get_logger("gateway.test"), logging.getLogger("somebody")
span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False))
with trace.use_span(span), logs.bound_contextvars(conversation="c1", turn=7):
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("ours", text="xylophone", reason=Words("xylophone"), of=12)
        getattr(library, level)("theirs")
    try:
        secret = "xylophone"
        raise RuntimeError("bug")
    except RuntimeError:
        log.exception("failed")
"""

ELSEWHERE = """
import logging
import sys
from threading import Thread
from services.runtime import logs
from services.runtime.settings import ProcessSettings

class Settings(ProcessSettings):
    section = "stt"

logs.configure(Settings.load(sys.argv[1:]))
logging.getLogger("somebody").error("here")
thread = Thread(target=logging.getLogger("somebody").error, args=("elsewhere",))
thread.start()
thread.join()
"""


def said(*flags: str, script: str = SAY) -> list[str]:
    done = run(
        [sys.executable, "-c", script, *flags],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stderr.splitlines()


def parsed(*flags: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in said("--log-format=json", *flags)]


def test_every_line_of_a_turn_names_it_and_its_trace() -> None:
    for line in parsed("--log-level=debug"):
        assert line["trace_id"] == f"{0xABC:032x}"
        assert line["span_id"] == f"{0xDEF:016x}"
        assert (line["conversation"], line["turn"]) == ("c1", 7)


def test_so_do_lines_for_people() -> None:
    lines = said("--log-format=console", "--log-level=debug")
    for event in ("ours", "theirs", "failed"):
        found = [line for line in lines if event in line]
        assert found
        for line in found:
            for carried in ("conversation", "turn", f"{0xABC:032x}", f"{0xDEF:016x}"):
                assert carried in line


def test_every_line_names_its_process_whichever_thread_writes_it() -> None:
    lines = said("--log-format=json", script=ELSEWHERE)
    told = [(line["event"], line["service"]) for line in map(json.loads, lines)]
    assert told == [("here", "stt"), ("elsewhere", "stt")]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_has_words(form: str) -> None:
    lines = said(f"--log-format={form}", "--log-level=debug")
    assert not [line for line in lines if "xylophone" in line]
    assert [line for line in lines if "(9 characters)" in line]


def test_words_are_let_into_debug_lines_and_into_no_others() -> None:
    lines = parsed("--log-level=debug", "--log-words")
    assert {line["level"] for line in lines if "xylophone" in str(line)} == {"debug"}
    (ours,) = [line for line in lines if line["level"] == "debug" and "of" in line]
    assert (ours["text"], ours["reason"], ours["of"]) == ("xylophone", "xylophone", 12)


@pytest.mark.parametrize(
    ("flags", "levels"),
    [
        ((), {"warning", "error"}),
        (("--log-level=debug",), {"info", "warning", "error"}),
        (
            ("--log-level=debug", "--log-words"),
            {"debug", "info", "warning", "error"},
        ),
        (("--log-level=error",), {"error"}),
        (("--log-words",), {"warning", "error"}),
    ],
)
def test_libraries_are_heard_at_debug_only_where_words_are_let_in(
    flags: tuple[str, ...], levels: set[str]
) -> None:
    theirs = [line for line in parsed(*flags) if line["event"] == "theirs"]
    assert {line["level"] for line in theirs} == levels


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("four", "(4 characters)"),
        (["a", "b"], "(2 of list)"),
        (None, None),
        (True, True),
        (object(), "(a object)"),
    ],
)
def test_whatever_stands_for_words_becomes_its_length(
    value: object, left: object
) -> None:
    line = {"level": "info", "event": "e", "text": value, "reason": "r"}
    assert Redaction(True)(None, "info", line) == line | {"text": left}


def test_marked_words_are_words_under_any_key() -> None:
    line = {"level": "debug", "event": "e", "reason": Words("four")}
    assert Redaction(False)(None, "debug", line)["reason"] == "(4 characters)"
    assert Redaction(True)(None, "debug", line)["reason"] == "four"
