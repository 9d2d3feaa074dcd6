"""Questions that are to be answered, whatever becomes of the containers meanwhile."""

from openai.types.realtime import RealtimeResponse

from antiphon.v1.conversation_pb2 import TURN_OUTCOME_ANSWERED
from tests.e2e.talking import Talker, Turn
from tests.microphone import Recording


def assert_heard_out(response: RealtimeResponse) -> None:
    """An answer of the Realtime API came to its end: its own, or that which the settings put to it."""
    if response.status == "incomplete":
        assert response.status_details
        assert response.status_details.reason == "max_output_tokens"
    else:
        assert response.status == "completed", response.status_details


async def ask(person: Talker, question: Recording | str) -> Turn:
    """Say or write something, and hear the whole answer.

    Raises:
        AssertionError: there was none; with what became of the turn.
    """
    if isinstance(question, str):
        turn = await person.write(question)
    else:
        turn = await person.ask(question)
    assert turn.ended.outcome == TURN_OUTCOME_ANSWERED, turn.ended
    assert turn.audio, turn.ended
    return turn
