"""Where a turn's time went.

``response latency`` is the time from the end of the user's speech (silence excluded) to the first audio byte of
the answer sent to the client. It is cut into shares that add up to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

SHARES = ("endpointing", "stt", "llm", "tts", "gateway")


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Shares of one turn's response latency, in seconds: total = the sum of all shares - saved.

    Attributes:
        total: the response latency.
        endpointing: until the silence had been long enough.
        stt: from when the transcript was asked for until it came.
        llm: from the prompt to the first clause.
        tts: from the first clause to its first audio.
        gateway: the rest, which is the gateway's own.
        saved: work of the stages that was done while the silence was waited for.
        overruns: shares, and "total", that took longer than their budget.
        budgets: that they were held to, in seconds by share, and ``total``; shares that are not named had none.
    """

    total: float
    endpointing: float
    stt: float
    llm: float
    tts: float
    gateway: float
    saved: float
    overruns: tuple[str, ...]
    budgets: Mapping[str, float]

    def share(self, name: str) -> float:
        """One of `SHARES`, or ``total``."""
        value = getattr(self, name)
        assert isinstance(value, float)
        return value


@dataclass(slots=True)
class Stopwatch:
    """The instants of a turn, on the driver's clock; None until they have come.

    Attributes:
        speech_ended_at: the user's last sound was made.
        due_at: the silence had been long enough, or the client said so, or asked for the answer.
        asked_at: the transcript was asked for that the answer is made from.
        transcript_at: it came; the prompt left with it.
        clause_at: the voice took the first clause.
        audio_at: the first audio came from the voice.
        sent_at: it was sent to the client.
        chosen: it was the client that said when the answer was due.
    """

    speech_ended_at: float | None = None
    due_at: float | None = None
    asked_at: float | None = None
    transcript_at: float | None = None
    clause_at: float | None = None
    audio_at: float | None = None
    sent_at: float | None = None
    chosen: bool = False

    def asked_for(self, now: float) -> "Stopwatch":
        """Of an answer that the client asks for now, to what was heard before: all until then is its silence."""
        return Stopwatch(self.speech_ended_at, now, now, now, chosen=True)

    def waterfall(self, budgets: Mapping[str, float]) -> Waterfall | None:
        """The shares; None for a turn that was not spoken, or whose answer was not.

        Args:
            budgets: seconds by share, and ``total``; shares that are not named have none.
        """
        instants = (
            self.speech_ended_at,
            self.due_at,
            self.asked_at,
            self.transcript_at,
            self.clause_at,
            self.audio_at,
            self.sent_at,
        )
        if any(instant is None for instant in instants):
            return None
        ended, due, asked, transcript, clause, audio, sent = (
            instant or 0.0 for instant in instants
        )
        shares = {
            "endpointing": due - ended,
            "stt": transcript - asked,
            "llm": clause - transcript,
            "tts": audio - clause,
        }
        total = sent - ended
        saved = max(0.0, min(due, audio) - asked)
        shares["gateway"] = total + saved - sum(shares.values())
        taken = {**shares, "total": total}
        if self.chosen:
            # Until then it was the client that let the user wait.
            taken["total"] -= taken.pop("endpointing")
        overruns = tuple(
            name
            for name, seconds in taken.items()
            if seconds > budgets.get(name, float("inf"))
        )
        return Waterfall(
            total=total, saved=saved, overruns=overruns, budgets=budgets, **shares
        )
