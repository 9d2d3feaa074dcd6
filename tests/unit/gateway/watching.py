"""Conversations on a clock that tests set, watched the way a session has them watched."""

import grpc

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import Ref, Stage
from gateway.observing.calls import WatchedCall
from gateway.observing.observer import Observer
from gateway.observing.recent import Recent
from services.runtime.telemetry.budgets import load
from tests.unit.conversation.chaos import Chaos
from tests.unit.conversation.driver import Driver
from tests.unit.conversation.talker import Talker

CONVERSATION = "0123456789abcdef"


class Watching(Driver):
    """Does with an observer what a session does, with calls that nobody answers but the test.

    Attributes:
        recent: keeps its turns.
        calls: that were opened.
    """

    def __post_init__(self) -> None:
        self.recent = Recent(load())
        self.calls: dict[tuple[Stage, Ref], WatchedCall] = {}
        self.observer = Observer(CONVERSATION, self.recent, lambda: self.now)
        super().__post_init__()
        self._watch(self.done)

    def tell(self, event: e.Event) -> list[c.Command]:
        self.observer.heard(event, self.now)
        if isinstance(event, e.ReplySpoken):
            self.end(Stage.TTS, event.ref)
        commands = super().tell(event)
        self._watch(commands)
        match event:
            case e.FinalHeard(ref):
                self.end(Stage.STT, ref)
            case e.ReplyWritten(ref):
                self.end(Stage.LLM, ref)
        return commands

    def wait(self, seconds: float) -> list[c.Command]:
        until, before = self.now + seconds, len(self.done)
        while (wake := self.core.wake_at(self.now)) is not None and wake <= until:
            self.now = max(self.now, wake)
            commands = self.core.tick(self.now)
            self.done += commands
            self._watch(commands)
        self.now = until
        return self.done[before:]

    def end(
        self, stage: Stage, ref: Ref, code: grpc.StatusCode = grpc.StatusCode.OK
    ) -> None:
        if (call := self.calls.get((stage, ref))) is not None:
            call.ended(code)

    def hang_up(self) -> None:
        """The conversation is over, whatever is under way."""
        for call in self.calls.values():
            call.ended(grpc.StatusCode.CANCELLED)
        commands = self.core.leave(self.now)
        self.done += commands
        self._watch(commands)
        self.observer.close()

    def _watch(self, commands: list[c.Command]) -> None:
        for command in commands:
            self.observer.saw(command, self.now)
            match command:
                case c.Transcribe(ref):
                    self.calls[Stage.STT, ref] = self.observer.transcribing(ref)
                case c.Generate(ref):
                    self.calls[Stage.LLM, ref] = self.observer.generating(ref, "")
                case c.Speak(ref) if (Stage.TTS, ref) not in self.calls:
                    self.calls[Stage.TTS, ref] = self.observer.synthesizing(ref)
                case c.CancelTranscribe(ref):
                    self.end(Stage.STT, ref, grpc.StatusCode.CANCELLED)
                case c.CancelReply(ref):
                    self.end(Stage.LLM, ref, grpc.StatusCode.CANCELLED)
                    self.end(Stage.TTS, ref, grpc.StatusCode.CANCELLED)


class Watched(Watching, Talker):
    """Watched, and led by a test."""


class WatchedChaos(Watching, Chaos):
    """Watched, and led by nobody."""
