"""Who is transcribed next, and what becomes of failures and of what nobody needs."""

import numpy as np
import pytest
from prometheus_client import REGISTRY

from services.runtime.errors import EngineError, Unavailable
from services.stt.audio import to_float
from services.stt.engines import Utterance
from services.stt.job import Dropped, Work
from services.stt.scheduler import Scheduler
from tests.fakes.engines import ScriptedRecognizer, say
from tests.unit.stt.asking import ask


def dropped_partials() -> float:
    return REGISTRY.get_sample_value("antiphon_partials_dropped_total") or 0.0


async def test_the_engine_is_warm_before_it_works(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    assert engine.warm
    job = ask(scheduler, Work.FINAL, "one")
    assert (await job.result()).text == "one"
    assert job.computed > 0


async def test_an_engine_that_does_not_start_says_why(
    engine: ScriptedRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise TypeError("launch() takes 3 arguments")

    monkeypatch.setattr(engine, "warm_up", broken)
    scheduler = Scheduler(lambda: engine, None)
    with pytest.raises(EngineError, match="does not start: TypeError: launch"):
        await scheduler.start()
    await scheduler.stop()


async def test_finals_and_checkpoints_go_before_partials_and_not_with_them(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    engine.hold()
    running = ask(scheduler, Work.PARTIAL, "zero")
    await engine.entered()
    partial = ask(scheduler, Work.PARTIAL, "one")
    final = ask(scheduler, Work.FINAL, "two")
    checkpoint = ask(scheduler, Work.CHECKPOINT, "three")
    engine.release()
    for job in (running, partial, final, checkpoint):
        await job.result()
    assert [len(batch) for batch in engine.batches] == [1, 2, 1]
    assert final.queued <= partial.queued


async def test_what_is_asked_at_the_same_moment_is_one_batch_up_to_the_most(
    engine: ScriptedRecognizer,
) -> None:
    scheduler = Scheduler(lambda: engine, 3)
    await scheduler.start()
    jobs = [ask(scheduler, Work.FINAL, word) for word in ("one", "two", "six", "nine")]
    texts = [(await job.result()).text for job in jobs]
    await scheduler.stop()
    assert texts == ["one", "two", "six", "nine"]
    assert [len(batch) for batch in engine.batches] == [3, 1]


async def test_a_dropped_partial_never_reaches_the_engine(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    before = dropped_partials()
    engine.hold()
    running = ask(scheduler, Work.FINAL, "zero")
    await engine.entered()
    partial = ask(scheduler, Work.PARTIAL, "one")
    partial.cancel()
    engine.release()
    await running.result()
    with pytest.raises(Dropped):
        await partial.result()
    assert not partial.started
    assert dropped_partials() == before + 1
    await ask(scheduler, Work.FINAL, "two").result()
    assert len(engine.batches) == 2


async def test_a_running_job_that_is_cancelled_is_no_longer_wanted(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    engine.hold()
    job = ask(scheduler, Work.CHECKPOINT, "one")
    await engine.entered()
    (utterance,) = engine.batches[0]
    assert utterance.wanted()
    job.cancel()
    assert not utterance.wanted()


async def test_a_promoted_partial_goes_with_the_finals(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    engine.hold()
    running = ask(scheduler, Work.FINAL, "zero")
    await engine.entered()
    ask(scheduler, Work.PARTIAL, "one")
    needed = ask(scheduler, Work.PARTIAL, "two")
    scheduler.promote(needed)
    engine.release()
    await running.result()
    await needed.result()
    assert len(engine.batches[1]) == 1


async def test_one_that_the_engine_cannot_bear_does_not_take_its_batch_along(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    engine.fail_on = "nine"
    words = ("one", "nine", "two")
    one, nine, two = (ask(scheduler, Work.FINAL, word) for word in words)
    with pytest.raises(EngineError, match="scripted failure"):
        await nine.result()
    assert not nine.usable
    assert [(await job.result()).text for job in (one, two)] == ["one", "two"]
    assert [len(batch) for batch in engine.batches] == [3, 1, 1, 1]
    assert scheduler.idle


async def test_what_waits_to_be_tried_alone_is_told_when_the_service_stops(
    engine: ScriptedRecognizer,
) -> None:
    scheduler = Scheduler(lambda: engine, None)
    await scheduler.start()
    engine.fail_on = "nine"
    jobs = [ask(scheduler, Work.FINAL, word) for word in ("one", "nine", "two")]
    engine.asks = True
    engine.hold()
    await engine.entered()
    engine.let_one_pass()
    await engine.entered()
    engine.release()
    await scheduler.stop()
    assert [len(batch) for batch in engine.batches] == [3, 1]
    for job in jobs:
        with pytest.raises(Unavailable):
            await job.result()


async def test_where_the_engine_is_lost_everybody_is_sent_to_another_replica(
    engine: ScriptedRecognizer,
) -> None:
    told: list[str] = []
    scheduler = Scheduler(lambda: engine, 1, lambda: told.append("lost"))
    await scheduler.start()
    engine.lost = True
    works = (Work.FINAL, Work.CHECKPOINT, Work.PARTIAL)
    jobs = [ask(scheduler, work, "one") for work in works]
    for job in jobs:
        with pytest.raises(Unavailable, match="try another"):
            await job.result()
    with pytest.raises(Unavailable, match="lost its engine"):
        await ask(scheduler, Work.FINAL, "two").result()
    assert told == ["lost"] and scheduler.broken
    assert len(engine.batches) == 1
    await scheduler.stop()


async def test_whatever_an_engine_raises_is_an_engine_error(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    # A pitch without a word: the script itself breaks.
    loud = to_float(np.frombuffer(say("nine"), "<i2"))[::3].copy()
    job = scheduler.submit(Work.FINAL, lambda: Utterance(loud, "en"))
    with pytest.raises(EngineError, match="IndexError"):
        await job.result()
    assert (await ask(scheduler, Work.FINAL, "one").result()).text == "one"


async def test_what_waits_when_the_service_stops_is_unavailable(
    engine: ScriptedRecognizer,
) -> None:
    scheduler = Scheduler(lambda: engine, 1)
    await scheduler.start()
    engine.hold()
    jobs = [ask(scheduler, Work.FINAL, "one"), ask(scheduler, Work.PARTIAL, "two")]
    await engine.entered()
    engine.release()
    await scheduler.stop()
    with pytest.raises(Unavailable):
        await jobs[1].result()
    assert not jobs[1].started
