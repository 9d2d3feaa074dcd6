"""Work of a turn is named in the log where it fails with an engine that works for many."""

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from antiphon.v1.stage_pb2 import TurnRef
from services.runtime.contract import working_for
from services.runtime.errors import AntiphonError, EngineError, InvalidArgument

TURN = TurnRef(conversation_id="c1", turn=3, revision=2)


def logged(turn: TurnRef, failure: AntiphonError) -> list[dict[str, object]]:
    with (
        capture_logs(processors=[merge_contextvars]) as lines,
        pytest.raises(type(failure)),
        working_for(turn, "piper"),
    ):
        raise failure
    return [dict(line) for line in lines]


def test_whose_work_failed_with_the_engine_is_logged() -> None:
    (line,) = logged(TURN, EngineError("out of memory"))
    assert line == {
        "event": "work failed",
        "log_level": "error",
        "engine": "piper",
        "reason": "out of memory",
        "conversation": "c1",
        "turn": 3,
        "revision": 2,
    }


def test_also_where_the_caller_named_no_turn() -> None:
    (line,) = logged(TurnRef(), EngineError("out of memory"))
    assert "conversation" not in line


def test_what_the_caller_did_wrong_is_not() -> None:
    assert logged(TURN, InvalidArgument("text", "is none")) == []
