"""The calls to the stages that one conversation has under way."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import grpc

from antiphon.v1 import llm_pb2
from antiphon.v1.audio_pb2 import AudioFormat
from antiphon.v1.stage_pb2 import TurnRef
from antiphon.v1.tts_pb2 import SynthesizeConfig
from gateway.answer_options import AnswerOptions
from gateway.conversation.events import Event, StageFailed
from gateway.conversation.prompt import Message
from gateway.conversation.values import Failure, Ref, Stage
from gateway.hearing.tape import Tape
from gateway.observing.observer import Observer
from gateway.stages.call import StageCall
from gateway.stages.directory import Stages
from gateway.stages.llm import Reply, to_messages
from gateway.stages.stt import Transcription
from gateway.stages.tts import Speech
from services.runtime.logs import get_logger
from services.runtime.telemetry.budgets import Budgets

log = get_logger(__name__)

Call = TypeVar("Call", bound=StageCall)

LONGEST_REPLY = 600.0
"""Seconds after which a reply's RPCs are given up: nobody listens to an answer for longer."""


class Calls:
    """Opens them, has each watched, and owns their tasks. What concerns a call that there is not any more is dropped.

    Args:
        conversation_id: as the client knows it.
        answers: the options of what is answered.
        budgets: that turns are held to.
        stages: shared by all conversations.
        tape: where the user's audio is.
        observer: watches the conversation.
        tell: takes what comes of them.

    Attributes:
        room: set while there is room for more of a reply's audio; voices are not read further without.
    """

    def __init__(
        self,
        conversation_id: str,
        answers: AnswerOptions,
        budgets: Budgets,
        stages: Stages,
        tape: Tape,
        observer: Observer,
        tell: Callable[[Event], None],
    ) -> None:
        self.room = asyncio.Event()
        self.room.set()
        self._conversation_id = conversation_id
        self._answers = answers
        self._budgets = budgets
        self._stages = stages
        self._tape = tape
        self._observer = observer
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()
        self._transcriptions: dict[Ref, Transcription] = {}
        self._replies: dict[Ref, Reply] = {}
        self._speeches: dict[Ref, Speech] = {}

    # --- the recognizer -----------------------------------------------------------------------------------

    def transcribe(self, ref: Ref, start: float, partials: bool) -> None:
        """Open an utterance, and send what there is of it from position ``start`` on."""
        policy = self._answers.options.policy
        longest = policy.longest_utterance * (2 if policy.buffered else 1)
        watch = self._observer.transcribing(ref)
        call = Transcription(
            self._stages.stt,
            self._turn_ref(ref),
            ref,
            self._tell,
            self._tape,
            start,
            self._answers.options.language,
            self._hints(),
            partials,
            longest + policy.stt_timeout,
            watch,
        )
        self._open(self._transcriptions, call)
        call.feed()

    def feed(self) -> None:
        """There is more on the tape."""
        for transcription in self._transcriptions.values():
            transcription.feed()

    def transcription(self, ref: Ref) -> Transcription | None:
        """The utterance of that revision, if it is under way."""
        return self._transcriptions.get(ref)

    def cancel_transcription(self, ref: Ref) -> None:
        """Nobody needs that utterance any more."""
        _cancel(self._transcriptions, ref)

    def _hints(self) -> tuple[str, ...]:
        """What the user is likely to say, where the recognizer wants to know."""
        known = self._stages.known
        can = known is not None and known.stt is not None and known.stt.hint_phrases
        return self._answers.options.hints if can else ()

    # --- the model and the voice --------------------------------------------------------------------------

    def generate(self, ref: Ref, messages: tuple[Message, ...]) -> None:
        """Open a reply to the prompt."""
        options = self._answers.of(ref)
        request = llm_pb2.GenerateRequest(
            turn=self._turn_ref(ref),
            messages=to_messages(messages),
            tools=options.tools,
            tool_choice=options.tool_choice,
            sampling=options.sampling,
            model=options.model,
        )
        watch = self._observer.generating(ref, options.model)
        call = Reply(
            self._stages.llm,
            request,
            ref,
            self._tell,
            LONGEST_REPLY,
            watch,
            self._budgets.of(options.model)["llm"],
        )
        self._open(self._replies, call)

    def speech(self, ref: Ref) -> Speech:
        """What speaks the reply of that revision; opened where it is not yet."""
        if ref not in self._speeches:
            options = self._answers.of(ref)
            config = SynthesizeConfig(
                turn=self._turn_ref(ref),
                format=AudioFormat(sample_rate=options.output_rate),
                voice=options.voice,
                language=options.reply_language,
                speed=options.speed,
                instructions=options.voice_instructions,
                reference=options.voice_reference,
            )
            watch = self._observer.synthesizing(ref)
            call = Speech(
                self._stages.tts,
                config,
                ref,
                self._tell,
                self.room,
                LONGEST_REPLY,
                watch,
            )
            self._open(self._speeches, call)
        return self._speeches[ref]

    def cancel_reply(self, ref: Ref) -> None:
        """Stop writing and speaking that reply."""
        _cancel(self._replies, ref)
        _cancel(self._speeches, ref)

    # --- all of them --------------------------------------------------------------------------------------

    def give_up(self) -> None:
        """Nobody needs any of them any more."""
        for calls in (self._transcriptions, self._replies, self._speeches):
            for call in calls.values():
                call.cancel()
        # One that waits for room before it reads on could not see that it was cancelled.
        self.room.set()

    async def ended(self) -> None:
        """Wait until none is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _open(self, calls: dict[Ref, Call], call: Call) -> None:
        calls[call.ref] = call
        task = call.start()
        task.add_done_callback(lambda _task: calls.pop(call.ref, None))
        task.add_done_callback(lambda task: self._report(task, call.ref))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _report(self, task: asyncio.Task[None], ref: Ref) -> None:
        """A call's task must not fail in any way that it does not know itself; if it does, the turn has failed."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("a call to a stage failed unexpectedly", exc_info=error)
        message = f"{type(error).__name__} in the gateway; see its log"
        code: int = grpc.StatusCode.INTERNAL.value[0]
        self._tell(StageFailed(ref, Failure(Stage.GATEWAY, code, message)))

    def _turn_ref(self, ref: Ref) -> TurnRef:
        return TurnRef(
            conversation_id=self._conversation_id, turn=ref.turn, revision=ref.revision
        )


def _cancel(calls: dict[Ref, Call], ref: Ref) -> None:
    call = calls.pop(ref, None)
    if call is not None:
        call.cancel()
