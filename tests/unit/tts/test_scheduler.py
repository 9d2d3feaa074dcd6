import asyncio
from collections.abc import Callable

import pytest

from services.runtime.errors import EngineError
from services.tts.engines import Delivery, Line, Piece
from services.tts.engines.solo import SoloEngine
from services.tts.scheduler import Reply, Saying, Scheduler
from tests.fakes.voice import SAMPLE_RATE, WORD_SECONDS, ScriptedEngine

MANNER = Delivery("alto", "en-US")


def line(text: str) -> Line:
    words, position = [], 0
    for word in text.split(" "):
        words.append((position, position + len(word)))
        position += len(word) + 1
    return Line(text, tuple(words), MANNER)


def scheduler(
    engine: ScriptedEngine,
    max_ahead: float = 20.0,
    clock: Callable[[], float] = lambda: 0.0,
) -> Scheduler:
    return Scheduler(SoloEngine(engine), "script", max_ahead, clock)


async def drain(saying: Saying) -> list[Piece]:
    pieces = []
    while (piece := await saying.next()) is not None:
        pieces.append(piece)
    return pieces


async def begun(work: Scheduler, words: int = 1) -> Reply:
    """A reply that has said something, so that its next line is no first clause."""
    reply = Reply()
    await drain(work.say(reply, line(" ".join(["hm"] * words))))
    return reply


async def test_a_line_is_said_piece_by_piece() -> None:
    engine = ScriptedEngine()
    work = scheduler(engine)
    saying = work.say(Reply(), line("one two three"))
    work.start()
    pieces = await drain(saying)
    await work.stop()
    assert [piece.word_ends[0] for piece in pieces] == pytest.approx([0.1, 0.2, 0.3])
    assert sum(len(piece.samples) for piece in pieces) == round(
        3 * WORD_SECONDS * SAMPLE_RATE
    )
    assert engine.closed


async def test_the_first_clause_of_a_reply_goes_before_the_rest_of_any_other() -> None:
    engine = ScriptedEngine(stops_at="wait")
    work = scheduler(engine)
    work.start()
    other = await begun(work)
    blocker = work.say(Reply(), line("wait"))
    await asyncio.to_thread(engine.reached.wait)
    rest = work.say(other, line("a a a"))
    first = work.say(Reply(), line("b b b"))
    engine.go_on.set()
    for saying in (blocker, first, rest):
        await drain(saying)
    await work.stop()
    assert engine.steps == ["hm", "wait", "b", "b", "b", "a", "a", "a"]


async def test_first_clauses_without_any_audio_go_in_the_order_they_came() -> None:
    engine = ScriptedEngine()
    work = scheduler(engine)
    sayings = [work.say(Reply(), line(f"{name} {name}")) for name in "abc"]
    work.start()
    for saying in sayings:
        await drain(saying)
    await work.stop()
    assert engine.steps[:3] == ["a", "b", "c"]


async def test_the_listener_with_the_least_audio_ahead_goes_next() -> None:
    engine = ScriptedEngine(stops_at="wait")
    work = scheduler(engine)
    work.start()
    # Time stands still, so one listener has four words of audio ahead and the other has one.
    much, little = await begun(work, words=4), await begun(work, words=1)
    blocker = work.say(Reply(), line("wait"))
    await asyncio.to_thread(engine.reached.wait)
    engine.steps.clear()
    more = work.say(much, line("a a"))
    late = work.say(little, line("b b b"))
    engine.go_on.set()
    for saying in (blocker, more, late):
        await drain(saying)
    await work.stop()
    assert engine.steps == ["wait", "b", "b", "b", "a", "a"]


async def test_a_reply_waits_while_it_is_too_far_ahead_of_its_client() -> None:
    engine = ScriptedEngine(stops_at="wait")
    work = scheduler(engine, max_ahead=0.25)
    work.start()
    held, other = Reply(), await begun(work)
    blocker = work.say(Reply(), line("wait"))
    await asyncio.to_thread(engine.reached.wait)
    engine.steps.clear()
    first = work.say(held, line("a a a a a a"))
    rest = work.say(other, line("b"))
    engine.go_on.set()
    await drain(blocker)
    # A first clause goes before the rest of another reply, unless it is held back.
    await drain(rest)
    assert engine.steps == ["wait", "a", "a", "a", "b"]
    work.wrote(held, 0.6)
    assert len(await drain(first)) == 6
    await work.stop()


async def test_closing_stops_the_work_within_one_step() -> None:
    engine = ScriptedEngine(stops_at="two")
    work = scheduler(engine)
    saying = work.say(Reply(), line("one two three four"))
    work.start()
    await asyncio.to_thread(engine.reached.wait)
    saying.close()
    engine.go_on.set()
    await asyncio.to_thread(engine.left.wait)
    await work.stop()
    assert engine.steps == ["one", "two"]
    assert engine.abandoned == ["one two three four"]


@pytest.mark.parametrize("engine", [{"fails_on": "bad"}, {"breaks_on": "bad"}])
async def test_a_failure_is_that_of_one_reply_alone(engine: dict[str, str]) -> None:
    work = scheduler(ScriptedEngine(**engine))
    failing = work.say(Reply(), line("good bad"))
    working = work.say(Reply(), line("good good"))
    work.start()
    with pytest.raises(EngineError):
        await drain(failing)
    assert len(await drain(working)) == 2
    await work.stop()


async def test_a_reply_knows_how_long_it_waited_and_was_computed() -> None:
    ticks = iter(range(1000))
    work = scheduler(ScriptedEngine(), clock=lambda: float(next(ticks)))
    reply = Reply()
    saying = work.say(reply, line("one two"))
    work.start()
    await drain(saying)
    await work.stop()
    assert reply.queued > 0
    assert reply.computed > 0
