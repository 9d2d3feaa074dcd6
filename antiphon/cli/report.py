"""What is left of a conversation: a report for scripts, and the spoken answers in a file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from antiphon.cli import audio, waterfall
from antiphon.cli.dialogue import Dialogue, Turn
from services.runtime.errors import AntiphonError


def report(dialogue: Dialogue, files: dict[str, str]) -> dict[str, Any]:
    """What was said, for scripts."""
    turns = [_turn(turn, dialogue.output_rate) for turn in dialogue.turns]
    falls = [turn["waterfall"] for turn in turns if turn["waterfall"]]
    return {
        "conversation_id": dialogue.conversation_id,
        "answered": dialogue.answered,
        "broken": _error(dialogue.broken),
        "speech_heard": dialogue.speech_heard,
        "transcript": _joined(turn.said or "" for turn in dialogue.turns),
        "answer": _joined(turn.answer for turn in dialogue.turns),
        "waterfall": falls[-1] if falls else None,
        "turns": turns,
        "files": files,
    }


def save(dialogue: Dialogue, path: Path) -> bool:
    """Save the spoken answers, one after the other.

    Returns:
        Whether there was anything to save.

    Raises:
        UnreadableAudio: it cannot be written there.
    """
    if not dialogue.audio:
        return False
    audio.write_speech(path, dialogue.audio, dialogue.output_rate)
    return True


def _turn(turn: Turn, rate: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "turn": turn.number,
        "outcome": turn.outcome,
        "transcript": turn.said or "",
        "answer": turn.answer,
        "heard": turn.ended.heard_text if turn.ended else "",
        "audio_seconds": round(audio.duration(bytes(turn.audio), rate), 3),
        "waterfall": None,
        "error": None,
    }
    if turn.ended and turn.ended.HasField("waterfall"):
        described["waterfall"] = waterfall.as_json(turn.ended.waterfall)
    if turn.ended and turn.ended.HasField("error"):
        error = turn.ended.error
        described["error"] = {
            "stage": error.stage,
            "code": error.code,
            "message": error.message,
        }
    return described


def _error(broken: AntiphonError | None) -> dict[str, Any] | None:
    if broken is None:
        return None
    return {"code": broken.code.value[0], "message": broken.message}


def _joined(texts: Iterable[str]) -> str:
    return " ".join(text.strip() for text in texts if text.strip())
