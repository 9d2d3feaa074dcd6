"""What a line tells of its way through the engine."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from services.runtime.telemetry import tracing
from services.tts.engines import Delivery, Line
from services.tts.scheduler import Reply, Saying, Scheduler
from tests.fakes.chorus import ScriptedChorus
from tests.fakes.spans import Spans, recorded, seconds, told, trace_of
from tests.fakes.voice import WORD_SECONDS


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine() -> ScriptedChorus:
    return ScriptedChorus(batch=2, stops_at="wait")


@pytest.fixture
async def scheduler(engine: ScriptedChorus, clock: Clock) -> AsyncIterator[Scheduler]:
    """Not started yet; two words ahead are enough for it."""
    made = Scheduler(engine, "script", 2 * WORD_SECONDS, clock)
    yield made
    engine.go_on.set()
    await made.stop()


def say(scheduler: Scheduler, text: str, reply: Reply | None = None) -> Saying:
    """Have a line said for a clause that bears its text as a name."""
    words, position = [], 0
    for word in text.split(" "):
        words.append((position, position + len(word)))
        position += len(word) + 1
    line = Line(text, tuple(words), Delivery("alto", "en-US"))
    with tracing.tracer.start_as_current_span(text):
        return scheduler.say(reply or Reply(), line)


async def drain(saying: Saying) -> None:
    while await saying.next() is not None:
        pass


def compute_of(spans: Spans, text: str) -> dict[str, object]:
    """What the engine's span below a clause tells."""
    queue, compute = spans.below(spans.one(text))
    assert (queue.name, compute.name) == ("queue", "compute")
    return dict(told(compute))


async def test_lines_that_share_steps_have_one_span_each_in_their_own_trace(
    scheduler: Scheduler, engine: ScriptedChorus
) -> None:
    with recorded() as spans:
        sayings = [say(scheduler, text) for text in ("one", "two too")]
        scheduler.start()
        for saying in sayings:
            await drain(saying)
        await spans.all_ended(6)
    # The last step was of one line, but this is about the most.
    assert engine.sizes == [2, 2, 1]
    first, second = spans.one("one"), spans.one("two too")
    assert trace_of(first) != trace_of(second)
    for text, words in (("one", 1), ("two too", 2)):
        told_ = compute_of(spans, text)
        assert told_["antiphon.batch.size"] == 2
        assert told_["antiphon.audio.seconds"] == pytest.approx(words * WORD_SECONDS)


async def test_the_wait_for_the_first_step_and_the_time_in_steps_are_told_apart(
    scheduler: Scheduler, engine: ScriptedChorus, clock: Clock
) -> None:
    labels = {"stage": "tts", "work": "first"}
    before = REGISTRY.get_sample_value("antiphon_real_time_factor_sum", labels) or 0.0
    with recorded() as spans:
        saying = say(scheduler, "wait")
        clock.now = 2.0
        scheduler.start()
        await asyncio.to_thread(engine.reached.wait)
        clock.now = 2.5
        engine.go_on.set()
        await drain(saying)
        await spans.all_ended(3)
    queue, compute = spans.below(spans.one("wait"))
    assert seconds(queue) == pytest.approx(2.0)
    assert seconds(compute) == pytest.approx(0.5)
    assert told(compute)["antiphon.compute.seconds"] == pytest.approx(0.5)
    after = REGISTRY.get_sample_value("antiphon_real_time_factor_sum", labels)
    assert after == pytest.approx(before + 0.5 / WORD_SECONDS)


async def test_a_line_that_is_given_up_ends_with_its_last_step(
    scheduler: Scheduler, clock: Clock
) -> None:
    with recorded() as spans:
        saying = say(scheduler, "one two three four")
        scheduler.start()
        for _ in range(2):
            await saying.next()
        # Its listener has enough for now, and leaves later.
        await drain(say(scheduler, "other"))
        clock.now = 60.0
        saying.close()
        await spans.all_ended(6)
    told_ = compute_of(spans, "one two three four")
    assert told_["antiphon.compute.outcome"] == "dropped"
    assert told_["antiphon.audio.seconds"] == pytest.approx(2 * WORD_SECONDS)
    (_, compute) = spans.below(spans.one("one two three four"))
    assert seconds(compute) == 0.0


async def test_a_line_that_is_given_up_before_its_first_step_tells_how_long_it_waited(
    scheduler: Scheduler, engine: ScriptedChorus, clock: Clock
) -> None:
    with recorded() as spans:
        running = [say(scheduler, f"wait {name}") for name in "ab"]
        scheduler.start()
        await asyncio.to_thread(engine.reached.wait)
        waiting = say(scheduler, "late")
        clock.now = 3.0
        waiting.close()
        engine.go_on.set()
        for saying in running:
            await drain(saying)
        await spans.all_ended(8)
    (queue,) = spans.below(spans.one("late"))
    assert (queue.name, seconds(queue)) == ("queue", 3.0)
