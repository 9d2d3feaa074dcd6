import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import REGISTRY

from services.runtime.errors import EngineError, Unavailable
from services.tts.engines import Delivery, Line, Piece
from services.tts.engines.solo import batching
from services.tts.scheduler import Reply, Saying, Scheduler
from tests.fakes.chorus import ScriptedChorus, ScriptedSpeech
from tests.fakes.voice import SAMPLE_RATE, WORD_SECONDS, ScriptedEngine

MANNER = Delivery("alto", "en-US")


def line(text: str) -> Line:
    words, position = [], 0
    for word in text.split(" "):
        words.append((position, position + len(word)))
        position += len(word) + 1
    return Line(text, tuple(words), MANNER)


def scheduler(
    engine: ScriptedEngine | ScriptedChorus,
    max_ahead: float = 20.0,
    clock: Callable[[], float] = lambda: 0.0,
) -> Scheduler:
    made.append(Scheduler(batching(engine), "script", max_ahead, clock))
    return made[-1]


made: list[Scheduler] = []


@pytest.fixture(autouse=True)
async def stopped() -> AsyncIterator[None]:
    """No thread outlives a test that fails."""
    yield
    while made:
        await made.pop().stop()


async def drain(saying: Saying) -> list[Piece]:
    pieces = []
    while (piece := await saying.next()) is not None:
        pieces.append(piece)
    return pieces


async def samples(saying: Saying) -> bytes:
    return b"".join(piece.samples.tobytes() for piece in await drain(saying))


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


async def test_lines_of_several_replies_share_a_step_and_sound_as_alone() -> None:
    texts = ["one two", "three four five", "six"]
    alone = []
    for each in texts:
        work = scheduler(ScriptedChorus())
        saying = work.say(Reply(), line(each))
        work.start()
        alone.append(await samples(saying))
        await work.stop()
    engine = ScriptedChorus()
    work = scheduler(engine)
    sayings = [work.say(Reply(), line(each)) for each in texts]
    work.start()
    assert [await samples(saying) for saying in sayings] == alone
    await work.stop()
    assert engine.sizes == [3, 3, 2, 1]
    assert engine.closed


async def test_a_step_takes_the_most_urgent_lines_in_the_order_of_their_urgency() -> (
    None
):
    engine = ScriptedChorus(batch=3, stops_at="wait")
    work = scheduler(engine)
    work.start()
    much, little = await begun(work, words=4), await begun(work, words=1)
    blocker = work.say(Reply(), line("wait"))
    await asyncio.to_thread(engine.reached.wait)
    before = len(engine.steps)
    more = work.say(much, line("a a"))
    late = work.say(little, line("b b"))
    first, second = work.say(Reply(), line("c c")), work.say(Reply(), line("d d"))
    engine.go_on.set()
    for saying in (blocker, first, second, late, more):
        await drain(saying)
    await work.stop()
    steps = engine.steps[before:]
    assert steps[0] == ("c c", "d d", "b b")
    assert [set(step) for step in steps[:3]] == [{"c c", "d d", "b b"}] * 3
    assert steps[3:] == [("a a",)] * 3


async def test_what_is_closed_is_out_of_the_next_step() -> None:
    engine = ScriptedChorus(stops_at="two")
    work = scheduler(engine)
    closing = work.say(Reply(), line("one two three four"))
    other = work.say(Reply(), line("a b c d"))
    work.start()
    await asyncio.to_thread(engine.reached.wait)
    closing.close()
    engine.go_on.set()
    await drain(other)
    await work.stop()
    held = engine.steps.index(("one two three four", "a b c d"))
    assert engine.events[held + 3 : held + 5] == [
        ("close", "one two three four"),
        ("step", ("a b c d",)),
    ]


async def test_a_reply_too_far_ahead_keeps_its_place_and_goes_on_unchanged() -> None:
    text = "one two three four five six"
    work = scheduler(ScriptedChorus())
    whole = work.say(Reply(), line(text))
    work.start()
    alone = await samples(whole)
    await work.stop()

    engine = ScriptedChorus()
    work = scheduler(engine, max_ahead=0.25)
    held, other = Reply(), Reply()
    saying = work.say(held, line(text))
    passing = work.say(other, line("a b c d e f g h"))
    work.wrote(other, 10.0)
    work.start()
    assert len(await drain(passing)) == 8
    assert sum(text in lines for lines in engine.steps) == 4
    work.wrote(held, 10.0)
    assert await samples(saying) == alone
    await work.stop()


@pytest.mark.parametrize("broken", [{"fails_on": "bad"}, {"breaks_on": "bad"}])
async def test_a_line_fails_alone_or_with_its_step(broken: dict[str, str]) -> None:
    engine = ScriptedChorus(batch=2, **broken)
    work = scheduler(engine)
    failing = work.say(Reply(), line("good bad good"))
    beside = work.say(Reply(), line("good good good"))
    work.start()
    with pytest.raises(EngineError):
        await drain(failing)
    behind = work.say(Reply(), line("good good"))
    if "breaks_on" in broken:
        with pytest.raises(EngineError):
            await drain(beside)
    else:
        assert len(await drain(beside)) == 3
    assert len(await drain(behind)) == 2
    await work.stop()
    assert sorted(told for kind, told in engine.events if kind == "close") == sorted(
        ["good bad good", "good good good", "good good"]
    )


class Mute(ScriptedChorus):
    """Takes nothing on, and cannot even stop."""

    def begin(self, line: Line) -> ScriptedSpeech:
        if line.text == "no":
            raise ZeroDivisionError
        speech = super().begin(line)
        if line.text == "stuck":
            speech.close = lambda: 1 / 0  # type: ignore[assignment,method-assign]
        return speech


async def test_a_line_that_is_not_taken_on_or_not_given_up_harms_no_other() -> None:
    work = scheduler(Mute())
    refused, stuck = work.say(Reply(), line("no")), work.say(Reply(), line("stuck"))
    fine = work.say(Reply(), line("fine and well"))
    work.start()
    with pytest.raises(EngineError):
        await drain(refused)
    assert len(await drain(stuck)) == 1
    assert len(await drain(fine)) == 3
    await work.stop()


def waits(work: str) -> tuple[float, float]:
    """How many waits were counted, and their sum."""
    labels = {"stage": "tts", "work": work}
    found = (
        REGISTRY.get_sample_value(f"antiphon_queue_wait_seconds_{what}", labels)
        for what in ("count", "sum")
    )
    count, total = (each or 0.0 for each in found)
    return count, total


async def test_waiting_is_counted_for_the_first_step_and_where_others_went_first() -> (
    None
):
    engine = ScriptedChorus(batch=1)
    now = 0.0
    count, total = waits("first")
    work = scheduler(engine, clock=lambda: now)
    first = work.say(Reply(), line("one two three"))
    now = 2.0
    work.start()
    # The step that only reads the line and those that follow one on the other are no waits.
    await drain(first)
    assert waits("first") == (count + 1, total + 2.0)
    await work.stop()


async def test_the_warm_up_tells_what_was_measured_and_happens_where_the_work_does() -> (
    None
):
    threads = []

    class Noting(ScriptedChorus):
        def warm_up(self) -> int | None:
            threads.append(threading.current_thread())
            return 7

        def begin(self, line: Line) -> ScriptedSpeech:
            threads.append(threading.current_thread())
            return super().begin(line)

    work = scheduler(Noting())
    assert await work.warm_up() == 7
    work.start()
    await drain(work.say(Reply(), line("one")))
    await work.stop()
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


async def test_no_more_lines_are_begun_than_the_engine_has_places_for() -> None:
    engine = ScriptedChorus(batch=4, open=2)
    work = scheduler(engine)
    sayings = [work.say(Reply(), line(text)) for text in ("a", "b", "c", "d")]
    work.start()
    for saying in sayings:
        await drain(saying)
    await work.stop()
    assert engine.steps == [("a", "b")] * 2 + [("c", "d")] * 2


async def test_a_line_that_is_given_up_makes_room_though_all_others_are_paused() -> (
    None
):
    engine = ScriptedChorus(batch=2, open=2)
    work = scheduler(engine, max_ahead=0.1)
    sayings = [work.say(Reply(), line(f"{name} {name}")) for name in "abc"]
    work.start()
    for saying in sayings[:2]:
        await saying.next()
    sayings[0].close()
    await sayings[2].next()
    await work.stop()
    assert engine.steps == [("a a", "b b")] * 2 + [("c c",)] * 2


async def test_nobody_waits_for_an_engine_that_is_lost() -> None:
    engine = ScriptedChorus(batch=1, lost_on="oh")
    work = scheduler(engine)
    speaking = work.say(Reply(), line("oh no"))
    waiting = work.say(Reply(), line("later"))
    work.start()
    for saying in (speaking, waiting):
        with pytest.raises(Unavailable):
            await drain(saying)
    assert work.broken
    with pytest.raises(Unavailable):
        await drain(work.say(Reply(), line("too late")))
