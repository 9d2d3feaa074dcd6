"""``antiphon talk`` from beginning to end: read, talk, save, report."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antiphon.cli import audio
from antiphon.cli.report import report, save
from antiphon.cli.talk import talk_live, talk_with_recording
from antiphon.cli.views import View
from antiphon.cli.wishes import Wishes
from antiphon.client import Address


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded question, and what becomes of its answer.

    Attributes:
        path: of the question.
        output: where the answer is saved.
        play: the answer, where there is something to play it on.
        device: to play on; None: the system's choice.
        patience: seconds that the gateway may keep silent once the question was sent.
    """

    path: Path
    output: Path
    play: bool
    device: str | None
    patience: float


async def talk_and_save(
    target: Address | str, wishes: Wishes, view: View, question: Recording
) -> dict[str, Any]:
    """Speak a recording, save what is answered.

    Returns:
        The report.

    Raises:
        UnreadableAudio: the recording cannot be read, or the answer not be written.
        AntiphonError: the gateway cannot be reached, or refused the conversation.
    """
    audio.check_writable(question.output)
    pcm = await asyncio.to_thread(audio.read_speech, question.path)
    dialogue = await talk_with_recording(
        target,
        wishes,
        pcm,
        view,
        play=question.play,
        device=question.device,
        patience=question.patience,
    )
    files = {"question": str(question.path)}
    if save(dialogue, question.output):
        files["answer"] = str(question.output)
        view.note(f"Saved {question.output}")
    return report(dialogue, files)


async def talk_and_save_live(
    target: Address | str, wishes: Wishes, view: View, output: Path, device: str | None
) -> dict[str, Any]:
    """Talk with microphone and speakers until Ctrl-C, save what was answered.

    Returns:
        The report.

    Raises:
        NoDevice: there is no microphone or nothing to play on.
        NoKeys: the user is to press a key to be answered, and there is none.
        UnreadableAudio: the answers cannot be written.
        AntiphonError: the conversation broke.
    """
    audio.check_writable(output)
    dialogue = await talk_live(target, wishes, view, device=device)
    files = {}
    if save(dialogue, output):
        files["answer"] = str(output)
        view.note(f"Saved {output}")
    return report(dialogue, files)
