"""One utterance: reuse of transcripts, partials, and audio longer than the model's window."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.errors import EngineError
from services.stt.engines import AUTO, UNDETERMINED, Memory, Transcript
from services.stt.scheduler import Scheduler
from services.stt.session import Decode, Session, SessionOptions
from tests.fakes.engines import WORDS, ScriptedRecognizer, say, silence

OPTIONS = SessionOptions(
    sample_rate=16_000,
    language="en",
    hint_phrases=(),
    interim_results=True,
    partial_interval_seconds=0.3,
    early_seconds=0.0,
    longest_utterance_seconds=300.0,
    window_seconds=20.0,
)


@pytest.fixture
def engine() -> ScriptedRecognizer:
    return ScriptedRecognizer()


@pytest.fixture
async def scheduler(engine: ScriptedRecognizer) -> AsyncIterator[Scheduler]:
    made = Scheduler(lambda: engine, 1)
    await made.start()
    yield made
    engine.release()
    await made.stop()


@pytest.fixture
def session(scheduler: Scheduler) -> Session:
    return Session(scheduler, OPTIONS)


def hear(session: Session, pcm: bytes) -> None:
    for start in range(0, len(pcm), 1280):
        session.hear(pcm[start : start + 1280])


async def text(session: Session, decode: Decode) -> str:
    return (await session.transcript(decode)).text


async def others_have_run() -> None:
    """Every task that was ready has had its step."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(done.set_result, None)
    await done


Partial = asyncio.Task[tuple[Decode, Transcript] | None]


@pytest.fixture
def partial(session: Session) -> Callable[[], Partial]:
    return lambda: asyncio.create_task(session.next_partial())


async def test_silence_after_a_checkpoint_makes_it_the_final(
    session: Session, engine: ScriptedRecognizer
) -> None:
    hear(session, say("one two"))
    asked = session.checkpoint(1)
    hear(session, silence(0.8))
    assert session.finish() is asked
    assert asked.checkpoint == 1
    assert await text(session, asked) == "one two"
    assert len(engine.batches) == 1


async def test_words_after_a_checkpoint_are_decoded(session: Session) -> None:
    hear(session, say("one two"))
    asked = session.checkpoint(1)
    hear(session, silence(0.2) + say("three"))
    final = session.finish()
    assert final.checkpoint == 0
    assert await text(session, asked) == "one two"
    assert await text(session, final) == "one two three"


async def test_a_later_checkpoint_after_silence_is_answered_by_the_earlier_decode(
    session: Session, engine: ScriptedRecognizer
) -> None:
    hear(session, say("one"))
    first = session.checkpoint(1)
    hear(session, silence(0.4))
    assert session.checkpoint(2) is first
    assert session.finish().checkpoint == 2
    assert await text(session, first) == "one"
    assert len(engine.batches) == 1


async def test_a_partial_that_is_still_running_serves_a_checkpoint(
    session: Session, engine: ScriptedRecognizer, partial: Callable[[], Partial]
) -> None:
    engine.hold()
    hear(session, say("one two"))
    told = partial()
    await engine.entered()
    hear(session, silence(0.1))
    asked = session.checkpoint(1)
    engine.release()
    assert await text(session, asked) == "one two"
    result = await told
    assert result is not None and result[0] is asked
    assert session.finish() is asked
    assert len(engine.batches) == 1


async def test_a_partial_that_is_done_serves_the_final(
    session: Session, engine: ScriptedRecognizer, partial: Callable[[], Partial]
) -> None:
    hear(session, say("one two"))
    told = await partial()
    assert told is not None
    assert session.finish() is told[0]
    assert told[0].checkpoint == 0, "no checkpoint was asked for"
    assert len(engine.batches) == 1


async def test_a_running_partial_that_more_words_followed_is_given_up(
    session: Session, engine: ScriptedRecognizer, partial: Callable[[], Partial]
) -> None:
    engine.hold()
    hear(session, say("one"))
    told = partial()
    await engine.entered()
    hear(session, silence(0.1) + say("two"))
    final = session.finish()
    assert not engine.batches[0][0].wanted()
    engine.release()
    assert await text(session, final) == "one two"
    assert await told is None


async def test_a_partial_that_had_to_wait_covers_the_newest_audio(
    scheduler: Scheduler,
    session: Session,
    engine: ScriptedRecognizer,
    partial: Callable[[], Partial],
) -> None:
    engine.hold()
    other = Session(scheduler, OPTIONS)
    hear(other, say("nine"))
    other.finish()
    await engine.entered()
    hear(session, say("one"))
    told = partial()
    await others_have_run()
    hear(session, silence(0.1) + say("two"))
    engine.release()
    result = await told
    assert result is not None
    assert result[1].text == "one two"
    assert result[0].seconds == session.seconds
    assert len(engine.batches) == 2


async def test_a_waiting_partial_is_dropped_when_a_checkpoint_comes(
    scheduler: Scheduler,
    session: Session,
    engine: ScriptedRecognizer,
    partial: Callable[[], Partial],
) -> None:
    engine.hold()
    other = Session(scheduler, OPTIONS)
    hear(other, say("nine"))
    other.finish()
    await engine.entered()
    hear(session, say("one"))
    told = partial()
    await others_have_run()
    asked = session.checkpoint(1)
    engine.release()
    assert await text(session, asked) == "one"
    session.finish()
    assert await told is None
    assert len(engine.batches) == 2


async def test_no_partial_before_its_interval_nor_of_silence(
    session: Session, engine: ScriptedRecognizer, partial: Callable[[], Partial]
) -> None:
    hear(session, say("one"))
    first = await partial()
    assert first is not None and first[1].text == "one"
    told = partial()
    hear(session, silence(1.0))
    await others_have_run()
    assert session.finish() is first[0]
    assert await told is None
    assert len(engine.batches) == 1


async def test_an_idle_engine_works_ahead_in_a_pause(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    session = Session(
        scheduler, replace(OPTIONS, interim_results=False, early_seconds=0.08)
    )
    early = asyncio.create_task(session.next_partial())
    hear(session, silence(0.3) + say("one two") + silence(0.12))
    told = await early
    assert told is not None and told[1].text == "one two"
    assert session.checkpoint(1) is told[0]
    assert len(engine.batches) == 1


async def test_a_failed_partial_is_left_out_and_serves_nothing(
    session: Session, engine: ScriptedRecognizer, partial: Callable[[], Partial]
) -> None:
    engine.fail_on = "nine"
    hear(session, say("nine"))
    told = partial()
    await engine.entered()
    with pytest.raises(EngineError):
        await session.transcript(session.checkpoint(1))
    engine.fail_on = None
    assert await text(session, session.finish()) == "nine"
    assert await told is None


async def test_nothing_heard_is_an_empty_transcript(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    session = Session(scheduler, replace(OPTIONS, language=AUTO))
    transcript = await session.transcript(session.finish())
    assert (transcript.text, transcript.language) == ("", UNDETERMINED)
    assert not engine.batches


async def test_closing_drops_all_work(
    session: Session, engine: ScriptedRecognizer
) -> None:
    engine.hold()
    hear(session, say("one"))
    session.checkpoint(1)
    await engine.entered()
    hear(session, silence(0.1) + say("two"))
    session.checkpoint(2)
    session.close()
    assert not engine.batches[0][0].wanted()
    engine.release()


async def test_a_window_has_one_memory_and_the_next_one_another(
    scheduler: Scheduler, engine: ScriptedRecognizer
) -> None:
    session = Session(scheduler, replace(OPTIONS, window_seconds=3.0))

    async def memories(words: str, number: int) -> list[Memory]:
        """Those of the utterances that were transcribed for a checkpoint behind more words."""
        before = len(engine.batches)
        hear(session, say(words) + silence(0.2))
        await session.transcript(session.checkpoint(number))
        return [batch[0].memory for batch in engine.batches[before:]]

    (first,) = await memories("one", 1)
    (same,) = await memories("two", 2)
    assert same is first
    settled_and_new = await memories("three four five six seven eight", 3)
    (second,) = [memory for memory in settled_and_new if memory is not first]
    assert len(settled_and_new) == 2
    (same,) = await memories("nine", 4)
    assert same is second


@settings(max_examples=25, deadline=None)
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=25),
    chunk=st.integers(320, 40_000),
    window=st.floats(2.5, 5.0),
    checkpoints=st.sets(st.integers(0, 20)),
)
async def test_windows_and_messages_leave_no_trace_in_words_and_times(
    words: list[str], chunk: int, window: float, checkpoints: set[int]
) -> None:
    engine = ScriptedRecognizer()
    scheduler = Scheduler(lambda: engine, None)
    await scheduler.start()
    session = Session(scheduler, replace(OPTIONS, window_seconds=window))
    pcm = say(" ".join(words))
    for number, start in enumerate(range(0, len(pcm), 2 * chunk)):
        session.hear(pcm[start : start + 2 * chunk])
        if number in checkpoints:
            session.checkpoint(number + 1)
    transcript = await session.transcript(session.finish())
    await scheduler.stop()
    assert transcript.text.split() == words
    for index, word in enumerate(transcript.words):
        assert word.start == pytest.approx(0.36 * index, abs=0.031)
        assert word.end == pytest.approx(0.36 * index + 0.3, abs=0.031)
    for batch in engine.batches:
        assert all(len(each.samples) <= window * 16_000 for each in batch)
