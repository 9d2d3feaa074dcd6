"""Plays a script to a gateway and keeps all that it says, with when."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from antiphon.client import Conversation, Event
from antiphon.v1 import conversation_pb2 as pb
from tests.simulator.microphone import Microphone
from tests.simulator.script import (
    Backchannel,
    Noise,
    Phase,
    Reaction,
    Say,
    Turn,
    phases,
)
from tests.simulator.sounds import RATE, noise
from tests.simulator.voices import Clip, SpokenWord, render

GAP = 1.2
"""Seconds between the end of an answer and what the user says next, and for the gateway to say what it should not."""

LONGEST_ANSWER = 120.0
"""Seconds within which every answer has ended, however long it is."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the gateway's, and when it came on the loop's clock."""

    at: float
    event: Event


@dataclass
class Reacted:
    """Something that happened into an answer and was not to disturb it.

    Attributes:
        reaction: what.
        into: number of the turn whose answer was being played; None where it was over already.
        begins: first sound, on the loop's clock.
        ends: last sound.
    """

    reaction: Reaction
    into: int | None
    begins: float
    ends: float


@dataclass
class Spoke:
    """One utterance as it was played, and what came of it.

    Attributes:
        phase: as the script has it.
        words: that were spoken.
        begins: first sound of speech, on the loop's clock.
        done: last sound of speech.
        into: number of the turn whose answer was being played when it began; None for none.
        answer: number of the turn that answers it; None where nobody did.
        answered_at: first audio of that.
        reactions: to the answer.
    """

    phase: Phase
    words: tuple[SpokenWord, ...]
    begins: float
    done: float
    into: int | None = None
    answer: int | None = None
    answered_at: float = 0.0
    reactions: list[Reacted] = field(default_factory=list)


@dataclass
class Played:
    """One turn of the script as it went.

    Attributes:
        turn: as the script has it.
        conversation: in which it was played.
        spoke: its utterances.
        told: all that the gateway said, from the turn's beginning to the next turn's.
    """

    turn: Turn
    conversation: str
    spoke: list[Spoke]
    told: list[Told]


class Log:
    """All that the gateway says in one conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self.told: list[Told] = []
        self._conversation = conversation
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _task: self._more.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(
        self, found: Callable[[], Found | None], deadline: float
    ) -> Found | None:
        """Wait until something is found in what was told; None where it is not by the deadline.

        Raises:
            RuntimeError: the conversation ended.
        """
        assert self._task is not None
        try:
            async with asyncio.timeout_at(deadline):
                while (result := found()) is None:
                    if self._task.done():
                        self._task.result()
                        raise RuntimeError("the gateway ended the conversation")
                    self._more.clear()
                    await self._more.wait()
                return result
        except TimeoutError:
            return None

    def audio_of(self, turn: int) -> float | None:
        """When the first audio of a turn's answer came."""
        return self._first(turn, pb.ReplyAudio)

    def end_of(self, turn: int) -> float | None:
        """When a turn ended, or its answer was cut."""
        return self._first(turn, (pb.TurnEnded, pb.ReplyInterrupted))

    def first_answer_since(self, instant: float) -> int | None:
        """Number of the first turn whose first audio came after an instant."""
        known: set[int] = set()
        for told in self.told:
            if isinstance(told.event, pb.ReplyAudio) and told.event.turn not in known:
                if told.at > instant:
                    return told.event.turn
                known.add(told.event.turn)
        return None

    def open_turns(self) -> set[int]:
        """Turns that have begun and not ended."""
        begun = {
            told.event.turn
            for told in self.told
            if isinstance(told.event, pb.UserTranscript | pb.ReplyStarted)
        }
        ended = {
            told.event.turn
            for told in self.told
            if isinstance(told.event, pb.TurnEnded)
        }
        return begun - ended

    def _first(
        self, turn: int, kind: type[Event] | tuple[type[Event], ...]
    ) -> float | None:
        for told in self.told:
            if isinstance(told.event, kind) and told.event.turn == turn:  # type: ignore[union-attr]
                return told.at
        return None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async for event in self._conversation:
            self.told.append(Told(loop.time(), event))
            self._more.set()


@dataclass
class Player:
    """A scripted user in one conversation.

    Attributes:
        conversation: its id.
        microphone: of the user.
        log: what the gateway says.
        patience: seconds to wait for an answer.
        before: is told of each turn and utterance before it is played.
    """

    conversation: str
    microphone: Microphone
    log: Log
    patience: float
    before: Callable[[Turn, Phase], None]

    async def play(self, turn: Turn) -> Played:
        """Play one turn to the end of its last answer."""
        loop = asyncio.get_running_loop()
        first = len(self.log.told)
        spoke: list[Spoke] = []
        script = list(phases(turn))
        clips = [render(phase.utterance, turn.voice) for phase in script]
        for phase, clip in zip(script, clips, strict=True):
            self.before(turn, phase)
            into = await self._until_heard(spoke, phase.after)
            start = self.microphone.play(clip)
            said = Spoke(
                phase, clip.words, start + clip.begins, start + clip.ends, into
            )
            spoke.append(said)
            await asyncio.sleep(said.done - loop.time())
            said.answer = await self.log.until(
                lambda said=said: self.log.first_answer_since(said.done),  # type: ignore[misc]
                said.done + self.patience,
            )
            if said.answer is None:
                break
            said.answered_at = self.log.audio_of(said.answer) or 0.0
            for reaction in phase.reactions:
                said.reactions.append(await self._react(spoke, reaction, turn.voice))
        await self.settle()
        return Played(turn, self.conversation, spoke, self.log.told[first:])

    async def _react(
        self, spoke: Sequence[Spoke], reaction: Reaction, voice: str
    ) -> Reacted:
        match reaction:
            case Noise(sound, seconds, level):
                samples = noise(sound, seconds, level)
                clip = Clip(samples, (), 0.0, len(samples) / RATE)
            case Backchannel(text):
                clip = render((Say(text),), voice)
        into = await self._until_heard(spoke, reaction.after)
        start = self.microphone.play(clip)
        ends = start + clip.ends
        await asyncio.sleep(ends - asyncio.get_running_loop().time())
        return Reacted(reaction, into, start + clip.begins, ends)

    async def _until_heard(
        self, spoke: Sequence[Spoke], after: float | None
    ) -> int | None:
        """Wait until so much of the last answer was heard, or it is over; returns its number, or None if so."""
        if after is None or not spoke or (turn := spoke[-1].answer) is None:
            return None
        await self.log.until(
            lambda: self.log.end_of(turn), spoke[-1].answered_at + after
        )
        return turn if self.log.end_of(turn) is None else None

    async def settle(self) -> None:
        """Let every answer end, wanted or not, and be silent for a while."""
        loop = asyncio.get_running_loop()
        quiet = False
        while not quiet:
            until = loop.time() + LONGEST_ANSWER
            if (
                await self.log.until(lambda: not self.log.open_turns() or None, until)
                is None
            ):
                raise RuntimeError(f"turns {self.log.open_turns()} did not end")
            await asyncio.sleep(GAP)
            quiet = not self.log.open_turns()
