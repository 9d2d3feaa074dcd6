"""Talking to a gateway: with a recording, or with a microphone."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

from antiphon.cli import devices
from antiphon.cli.dialogue import Dialogue
from antiphon.cli.keys import Enter, enter_key
from antiphon.cli.recital import Recital
from antiphon.cli.turns import PUSH_TO_TALK
from antiphon.cli.views import View
from antiphon.cli.wishes import Wishes
from antiphon.client import Address, Conversation, Event, connect
from antiphon.v1.conversation_pb2 import ReplyAudio, ReplyInterrupted
from services.runtime.errors import AntiphonError, DeadlineExceeded


async def talk_with_recording(
    target: Address | str,
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
        target: the gateway.
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
            recital = Recital(conversation, dialogue, pcm, bool(wishes.greeting))
            sending = asyncio.create_task(recital.run())
            try:
                async with asyncio.timeout_at(recital.sent_by() + patience) as limit:
                    async for event in conversation:
                        _take(event, dialogue, view, playout)
                        limit.reschedule(recital.sent_by() + patience)
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
    target: Address | str, wishes: Wishes, view: View, *, device: str | None
) -> Dialogue:
    """Talk with microphone and speakers until Ctrl-C.

    Args:
        target: the gateway.
        wishes: how to talk.
        view: shows what happens.
        device: to hear and play with; None: the system's choice.

    Raises:
        NoDevice: there is no microphone or nothing to play on.
        NoKeys: the user is to press a key to be answered, and there is none.
        AntiphonError: the conversation broke.
    """
    devices.portaudio()
    microphone = devices.Microphone()
    async with AsyncExitStack() as stack:
        pushing = wishes.turns.mode == PUSH_TO_TALK
        enter = stack.enter_context(enter_key()) if pushing else None
        conversation, dialogue = await stack.enter_async_context(
            _opened(target, wishes)
        )
        playout = devices.Playout(dialogue.output_rate)
        with (
            devices.speakers(playout, device),
            devices.listening(microphone, device),
            view,
        ):
            how = "Speak, then press Enter" if enter else "Speak"
            view.note(
                f"{how}; Ctrl-C ends. Wear headphones: there is no echo cancellation."
            )

            async def send() -> None:
                async for frame in microphone:
                    await conversation.send_audio(frame)

            async def receive() -> None:
                async for event in conversation:
                    _take(event, dialogue, view, playout)

            async def commit(enter: Enter) -> None:
                while await enter.pressed():
                    await conversation.commit()

            work = [send(), receive(), *([commit(enter)] if enter else [])]
            await _until_interrupted(*map(asyncio.create_task, work))
            if microphone.dropped:
                view.note(
                    f"{microphone.dropped} frames of the microphone were dropped: the gateway was too slow"
                )
    return dialogue


@asynccontextmanager
async def _opened(
    target: Address | str, wishes: Wishes
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
    if playout is None:
        return
    playout.duck(dialogue.ducked)
    if isinstance(event, ReplyAudio):
        playout.feed(event.samples)
    elif isinstance(event, ReplyInterrupted):
        playout.flush()


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
