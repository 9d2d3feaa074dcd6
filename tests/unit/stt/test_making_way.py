"""Partials that run make way for what somebody waits for."""

import asyncio
from dataclasses import replace

import pytest

from services.stt.job import Dropped, Work
from services.stt.scheduler import Scheduler
from services.stt.session import Session, SessionOptions
from tests.fakes.engines import ScriptedRecognizer, say
from tests.unit.stt.asking import ask

OPTIONS = SessionOptions(
    sample_rate=16_000,
    language="en",
    hint_phrases=(),
    interim_results=True,
    partial_interval_seconds=0.5,
    early_seconds=0.0,
    longest_utterance_seconds=60.0,
    window_seconds=20.0,
)


pytestmark = pytest.mark.usefixtures("held")


async def test_a_final_does_not_wait_for_partials_that_run(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    partials = [ask(scheduler, Work.PARTIAL, word) for word in ("one", "two")]
    await engine.entered()
    final = ask(scheduler, Work.FINAL, "three")
    await engine.entered()
    assert [len(batch) for batch in engine.batches] == [2, 1]
    engine.release()
    assert (await final.result()).text == "three"
    assert [(await job.result()).text for job in partials] == ["one", "two"]


async def test_finals_do_not_make_way_for_finals(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    first = ask(scheduler, Work.CHECKPOINT, "one")
    await engine.entered()
    second = ask(scheduler, Work.FINAL, "two")
    assert all(utterance.wanted() for utterance in engine.batches[0])
    engine.release()
    assert (await first.result()).text == "one"
    assert (await second.result()).text == "two"
    assert len(engine.batches) == 2


async def test_a_partial_that_somebody_waits_for_makes_no_way(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    needed, other = (ask(scheduler, Work.PARTIAL, word) for word in ("one", "two"))
    await engine.entered()
    scheduler.promote(needed)
    final = ask(scheduler, Work.FINAL, "three")
    assert all(utterance.wanted() for utterance in engine.batches[0])
    engine.release()
    for job, text in ((needed, "one"), (other, "two"), (final, "three")):
        assert (await job.result()).text == text
    assert [len(batch) for batch in engine.batches] == [2, 1]


async def test_one_that_made_way_and_is_needed_now_goes_with_the_finals(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    needed, other = (ask(scheduler, Work.PARTIAL, word) for word in ("one", "two"))
    await engine.entered()
    final = ask(scheduler, Work.FINAL, "three")
    await engine.entered()
    scheduler.promote(needed)
    last = ask(scheduler, Work.FINAL, "four")
    engine.release()
    for job in (needed, other, final, last):
        await job.result()
    assert [len(batch) for batch in engine.batches] == [2, 1, 2, 1]


async def test_one_that_made_way_and_is_dropped_is_not_begun_again(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    partial = ask(scheduler, Work.PARTIAL, "one")
    await engine.entered()
    final = ask(scheduler, Work.FINAL, "two")
    await engine.entered()
    partial.cancel()
    engine.release()
    await final.result()
    with pytest.raises(Dropped):
        await partial.result()
    assert len(engine.batches) == 2 and scheduler.idle


async def test_a_transcript_that_was_done_before_it_could_be_left_is_kept(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    engine.asks = False
    partial = ask(scheduler, Work.PARTIAL, "one")
    await engine.entered()
    final = ask(scheduler, Work.FINAL, "two")
    engine.release()
    await final.result()
    assert (await partial.result()).text == "one"
    assert len(engine.batches) == 2


async def test_a_busy_engine_finishes_a_partial_after_all(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    partial = ask(scheduler, Work.PARTIAL, "one")
    for _ in range(3):
        await engine.entered()
        final = ask(scheduler, Work.FINAL, "two")
        await engine.entered()
        engine.let_one_pass()
        await final.result()
    await engine.entered()
    final = ask(scheduler, Work.FINAL, "two")
    (utterance,) = engine.batches[-1]
    assert utterance.wanted()
    engine.release()
    assert (await partial.result()).text == "one"
    await final.result()


async def test_an_utterance_whose_partial_made_way_is_heard_to_its_end(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    session = Session(scheduler, replace(OPTIONS, partial_interval_seconds=0.3))
    session.hear(say("one two"))
    partials = asyncio.create_task(session.next_partial())
    await engine.entered()
    other = ask(scheduler, Work.FINAL, "nine")
    await engine.entered()
    # Nothing was said since: the partial serves, though it has to be begun again.
    decode = session.finish()
    engine.release()
    assert (await session.transcript(decode)).text == "one two"
    assert (await other.result()).text == "nine"
    assert [len(batch) for batch in engine.batches] == [1, 1, 1]
    assert await partials is None
    session.close()
