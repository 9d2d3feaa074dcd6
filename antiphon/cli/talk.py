"""Talking to a gateway: with a recording, or with a microphone."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

from antiphon.cli import audio, devices
from antiphon.cli.dialogue import Dialogue
from antiphon.cli.pace import Pace
from antiphon.cli.views import View
from antiphon.client import Conversation, Event, connect
from antiphon.v1.audio_pb2 import AUDIO_ENCODING_PCM_S16LE, AudioFormat
from antiphon.v1.conversation_pb2 import (
    ConversationConfig,
    ReplyAudio,
    ReplyInterrupted,
    SilenceEndpointing,
    TurnTaking,
)
from services.runtime.errors import AntiphonError, DeadlineExceeded
from services.runtime.units import PCM_BYTES, to_duration, to_seconds

SETTLING_SECONDS = 0.7
"""Silence sent beyond the endpointing silence before the client believes that no turn is coming."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the user wants to talk; what is None is left to the gateway.

    Attributes:
        voice: a voice from Describe.
        language: BCP 47 tag of what is spoken, or ``auto``.
        instructions: standing instructions for the model.
        model: an alias from Describe.
        silence: endpointing silence in seconds.
        speed: of the voice, 1.0 is its own.
        max_tokens: of an answer.
    """

    voice: str | None = None
    language: str | None = None
    instructions: str | None = None
    model: str | None = None
    silence: float | None = None
    speed: float | None = None
    max_tokens: int | None = None

    def config(self) -> ConversationConfig:
        """The first message of the conversation."""
        config = ConversationConfig(
            voice=self.voice or "",
            language=self.language or "",
            instructions=self.instructions or "",
            model=self.model or "",
            speed=self.speed or 0.0,
            interim_transcripts=True,
            input_format=AudioFormat(
                encoding=AUDIO_ENCODING_PCM_S16LE, sample_rate=audio.INPUT_RATE
            ),
        )
        if self.silence is not None:
            silence = SilenceEndpointing(silence=to_duration(self.silence))
            config.turn_taking.CopyFrom(TurnTaking(silence=silence))
        if self.max_tokens is not None:
            config.sampling.max_tokens = self.max_tokens
        return config


async def talk_with_recording(
    target: str,
    wishes: Wishes,
    pcm: bytes,
    view: View,
    *,
    play: bool,
    device: str | None,
    patience: float,
) -> Dialogue:
    """Speak a recording in real time and hear the answers out.

    Args:
        target: the gateway, ``host:port``.
        wishes: how to talk.
        pcm: 16-bit mono at `audio.INPUT_RATE`.
        view: shows what happens.
        play: play the answers, where there is something to play them on.
        device: to play on; None: the system's choice.
        patience: seconds that the gateway may keep silent once the recording was sent.

    Returns:
        What was said, also of a conversation that broke; its ``broken`` says why, with `DeadlineExceeded` where
        nothing came for too long.

    Raises:
        AntiphonError: the gateway cannot be reached, or refused the conversation.
    """
    async with _opened(target, wishes) as (conversation, dialogue):
        with ExitStack() as stack:
            stack.enter_context(view)
            playout = _playout(dialogue, device, view, stack) if play else None
            loop = asyncio.get_running_loop()
            end = loop.time() + audio.duration(pcm)

            def deadline() -> float:
                return max(loop.time(), end) + patience

            sending = asyncio.create_task(_send_recording(conversation, pcm, dialogue))
            try:
                async with asyncio.timeout_at(deadline()) as limit:
                    async for event in conversation:
                        limit.reschedule(deadline())
                        _take(event, dialogue, view, playout)
            except TimeoutError:
                dialogue.broken = DeadlineExceeded(
                    f"gateway at {target}: no news for {patience:g} s "
                    f"(conversation {conversation.ready.conversation_id})"
                )
            except AntiphonError as error:
                dialogue.broken = error
            finally:
                sending.cancel()
                await asyncio.wait({sending})
            if not sending.cancelled():
                sending.result()
            if playout:
                await playout.played()
    return dialogue


async def talk_live(
    target: str, wishes: Wishes, view: View, *, device: str | None
) -> Dialogue:
    """Talk with microphone and speakers until Ctrl-C.

    Args:
        target: the gateway, ``host:port``.
        wishes: how to talk.
        view: shows what happens.
        device: to hear and play with; None: the system's choice.

    Raises:
        NoDevice: there is no microphone or nothing to play on.
        AntiphonError: the conversation broke.
    """
    devices.portaudio()
    microphone = devices.Microphone()
    async with _opened(target, wishes) as (conversation, dialogue):
        playout = devices.Playout(dialogue.output_rate)
        with (
            devices.speakers(playout, device),
            devices.listening(microphone, device),
            view,
        ):
            view.note(
                "Speak; Ctrl-C ends. Wear headphones: there is no echo cancellation."
            )

            async def send() -> None:
                async for frame in microphone:
                    await conversation.send_audio(frame)

            async def receive() -> None:
                async for event in conversation:
                    _take(event, dialogue, view, playout)

            await _until_interrupted(
                asyncio.create_task(send()), asyncio.create_task(receive())
            )
            if microphone.dropped:
                view.note(
                    f"{microphone.dropped} frames of the microphone were dropped: the gateway was too slow"
                )
    return dialogue


@asynccontextmanager
async def _opened(
    target: str, wishes: Wishes
) -> AsyncIterator[tuple[Conversation, Dialogue]]:
    async with (
        connect(target) as client,
        client.converse(wishes.config()) as conversation,
    ):
        yield conversation, Dialogue(conversation.ready)


def _take(
    event: Event, dialogue: Dialogue, view: View, playout: devices.Playout | None
) -> None:
    dialogue.apply(event)
    view.show(dialogue, event)
    if playout and isinstance(event, ReplyAudio):
        playout.feed(event.samples)
    elif playout and isinstance(event, ReplyInterrupted):
        playout.flush()


async def _send_recording(
    conversation: Conversation, pcm: bytes, dialogue: Dialogue
) -> None:
    """Send the recording, then silence until every turn has ended, then half-close."""
    pace = Pace(asyncio.get_running_loop().time)
    silence = bytes(round(audio.FRAME_SECONDS * audio.INPUT_RATE) * PCM_BYTES)
    least_silence = (
        to_seconds(conversation.ready.turn_taking.silence.silence) + SETTLING_SECONDS
    )
    sent = 0.0
    try:
        for frame in audio.frames(pcm):
            sent += audio.duration(frame)
            # A microphone hands a frame over once it has heard all of it.
            await pace.until(sent)
            await conversation.send_audio(frame)
        end = sent
        while dialogue.pending or sent < end + least_silence:
            sent += audio.FRAME_SECONDS
            await pace.until(sent)
            await conversation.send_audio(silence)
        await conversation.finish()
    except AntiphonError:
        # Whoever reads the conversation's events is told the same, and reports it.
        return


def _playout(
    dialogue: Dialogue, device: str | None, view: View, stack: ExitStack
) -> devices.Playout | None:
    """Open the speakers for as long as the stack lasts; without any, say so and do without."""
    playout = devices.Playout(dialogue.output_rate)
    try:
        stack.enter_context(devices.speakers(playout, device))
    except devices.NoDevice as error:
        view.note(f"Not played: {error}")
        return None
    return playout


async def _until_interrupted(*tasks: asyncio.Task[None]) -> None:
    """Wait for Ctrl-C, or for the first of the tasks to end; then none of them runs any more.

    Raises:
        AntiphonError: what ended a task.
    """
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(interrupted.wait())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    try:
        done, _ = await asyncio.wait(
            {*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        for task in (*tasks, waiting):
            task.cancel()
        await asyncio.wait({*tasks, waiting})
    for task in done:
        task.result()
