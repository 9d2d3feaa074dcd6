"""One client's conversation, driven: the pure core on one side, sockets and time on the other."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import assert_never

from gateway.answer_options import AnswerOptions
from gateway.calls import Calls
from gateway.conversation import commands as c
from gateway.conversation.events import EndPredicted, Event, MannerChanged, Respond
from gateway.conversation.machine import Conversation
from gateway.conversation.values import Ending, Item, Wish
from gateway.hearing.ending import EndOfTurn
from gateway.hearing.listener import Listener
from gateway.observing.observer import Observer
from gateway.options import Options
from gateway.preparing import Preparing
from gateway.room import Room
from gateway.stages.directory import Stages
from services.runtime.errors import Unavailable
from services.runtime.telemetry.budgets import Budgets

LONGEST_BACKLOG = 30.0
"""Seconds of reply audio that wait here; the voice is not read further until some of it has been played."""


class Session:
    """Drives one `Conversation`: hears, does what it commands, hands its notices over.

    Args:
        conversation_id: as the client knows it.
        answers: the options of what is answered, now and later.
        budgets: that turns are held to.
        conversation: the core.
        room: what there is of the model's context for it.
        listener: this conversation's hearing.
        ending: tells how likely a user is done; shared by all conversations. None where nobody does.
        stages: shared by all conversations.
        observer: watches this one.
        deliver: takes notices for the client; never blocks.
        give_up: is told that the conversation cannot go on.
    """

    def __init__(
        self,
        conversation_id: str,
        answers: AnswerOptions,
        budgets: Budgets,
        conversation: Conversation,
        room: Room,
        listener: Listener,
        ending: EndOfTurn | None,
        stages: Stages,
        observer: Observer,
        deliver: Callable[[c.Notice], None],
        give_up: Callable[[BaseException], None],
    ) -> None:
        self.id = conversation_id
        self._answers = answers
        self._conversation = conversation
        self._context = room
        self._listener = listener
        self._ending = ending
        self._deliver = deliver
        self._give_up = give_up
        self._observer = observer
        # What happens in a call's context and is not about the call is not to be logged as if it were.
        self._context_of_all = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls = Calls(
            conversation_id,
            answers,
            budgets,
            stages,
            listener.tape,
            observer,
            self.tell,
        )
        self._preparing = Preparing(conversation_id, stages, deliver)
        self._predicting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def begin(self) -> None:
        """Open the conversation."""
        now = self._loop.time()
        self._do(self._conversation.begin(now), now)

    async def hear(self, samples: bytes, arrived: float) -> None:
        """Audio came from the client: 16-bit PCM at the input rate, at ``arrived`` on the loop's clock."""
        for event in await self._listener.listen(samples, arrived):
            self.tell(event)
        self._calls.feed()
        self._listener.tape.forget(self._conversation.needed_from)

    def tell(self, event: Event) -> None:
        """Something happened; nothing comes of it once the session is closed.

        Notices that follow from it at once are delivered before this returns.
        """
        if self._closed:
            return
        now = self._loop.time()
        self._observer.heard(event, now)
        self._do(self._conversation.handle(event, now), now)

    def update(self, options: Options) -> None:
        """From now on the conversation is held like this; an answer in progress keeps its own options.

        What was made of the answer to come is made anew. The input's rate stays as it was.

        Raises:
            InvalidArgument: the model has no room for anything but the instructions and the tools; nothing has changed.
        """
        self._context.follow(options)
        before, self._answers.options = self._answers.options, options
        self._listener.voice_begins = options.voice_threshold
        self.tell(MannerChanged(options.policy, options.instructions))
        if _begins(options) != _begins(before):
            self._read_anew()

    def respond(self, wish: Wish, options: Options | None) -> None:
        """Ask for an answer; refused with a `Refuse` where there cannot be one, before this returns.

        Args:
            wish: says what is different about it; its key is not 0, and was never used before.
            options: of this one answer (tools, sampling, voice, speed, rate); None for the conversation's.
        """
        if options is not None:
            self._answers.wish(wish.key, options)
        self.tell(Respond(wish))
        self._answers.keep_wishes(self._conversation.expects)

    @property
    def items(self) -> tuple[Item, ...]:
        """What the history holds now, oldest first."""
        return self._conversation.items

    def item(self, item_id: str) -> Item | None:
        """What the history holds under that name now."""
        return self._conversation.item(item_id)

    @property
    def answering(self) -> bool:
        """Whether an answer that the client knows of (`TellResponding`) is under way."""
        return self._conversation.answering

    @property
    def heard_seconds(self) -> float:
        """Position of the input's audio clock: seconds of audio that came."""
        return self._listener.tape.end

    def left(self) -> None:
        """The client has said good-bye, and is about to be gone; it counts as having ended the conversation."""
        self._observer.ending = Ending.CLIENT.value

    def end_early(self, why: str) -> None:
        """The conversation cannot go on, through nobody's fault.

        Args:
            why: that the client is told.
        """
        self._give_up(Unavailable(why))

    async def close(self) -> None:
        """Leave nothing behind, whatever was under way; a second time does nothing."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._calls.give_up()
        # Whoever leaves because an answer is late counts as well.
        now = self._loop.time()
        for command in self._conversation.leave(now):
            self._observer.saw(command, now)
        self._observer.close()
        for task in self._tasks:
            task.cancel()
        await self._preparing.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._calls.ended()

    # --- doing what is commanded --------------------------------------------------------------------------

    def _do(self, commands: list[c.Command], now: float) -> None:
        for command in commands:
            self._observer.saw(command, now)
            self._obey(command)
        if self._conversation.backlog < LONGEST_BACKLOG:
            self._calls.room.set()
        else:
            self._calls.room.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        wake_at = self._conversation.wake_at(now)
        if wake_at is not None:
            self._timer = self._loop.call_at(
                wake_at, self._tick, context=self._context_of_all
            )

    def _tick(self) -> None:
        self._timer = None
        try:
            now = self._loop.time()
            self._do(self._conversation.tick(now), now)
        except Exception as error:  # noqa: BLE001  # a timer has nobody else to tell; the client is told
            self._give_up(error)

    def _obey(self, command: c.Command) -> None:
        match command:
            case c.Prepare():
                self._preparing.want(command, self._answers.options)
            case c.Transcribe(ref, start, partials):
                self._calls.transcribe(ref, start, partials)
            case c.PredictEnd():
                self._forget_prediction()
                self._predicting = self._task(self._predict(command))
            case c.TakeCheckpoint(ref, number):
                if (call := self._calls.transcription(ref)) is not None:
                    call.checkpoint(number)
            case c.ResumeTranscribe(ref):
                self._forget_prediction()
                if (call := self._calls.transcription(ref)) is not None:
                    call.resume()
            case c.FinishTranscribe(ref):
                self._forget_prediction()
                if (call := self._calls.transcription(ref)) is not None:
                    call.finish()
            case c.CancelTranscribe(ref):
                self._forget_prediction()
                self._calls.cancel_transcription(ref)
            case c.Generate(ref, messages, wish):
                self._preparing.drop()
                self._answers.begin(ref, wish)
                self._calls.generate(ref, messages)
            case c.Speak(ref, text):
                self._calls.speech(ref).speak(text)
            case c.FinishSpeaking(ref):
                self._calls.speech(ref).finish()
            case c.CancelReply(ref):
                self._answers.cancelled(ref)
                self._calls.cancel_reply(ref)
            case c.TellTurnEnded(turn):
                self._answers.ended(turn)
                self._deliver(command)
            case c.NoteSpeculation() | c.NoteEndpointing():
                pass
            case (
                c.TellSpeechStarted()
                | c.TellSpeechStopped()
                | c.TellPartial()
                | c.TellCommitted()
                | c.TellUnheard()
                | c.TellTranscript()
                | c.TellResponding()
                | c.TellReplyStarted()
                | c.TellText()
                | c.TellAudio()
                | c.TellToolCall()
                | c.TellDucked()
                | c.TellTurnTaking()
                | c.TellInterrupted()
                | c.TellIdle()
                | c.TellItem()
                | c.TellItemDeleted()
                | c.TellItemTruncated()
                | c.Refuse()
                | c.Close()
            ):
                self._deliver(command)
            case _:
                assert_never(command)

    def _read_anew(self) -> None:
        """Have the model read how prompts begin from now on, while nobody waits for it."""
        beginning = self._conversation.beginning
        wanted = (
            self._answers.options.policy.prefill and not self._conversation.answering
        )
        if wanted and beginning and not self._closed:
            self._obey(c.Prepare(beginning, False))

    async def _predict(self, asked: c.PredictEnd) -> None:
        probability = None
        if self._ending is not None:
            samples = self._listener.tape.read(asked.start, asked.end)
            probability = await self._ending.probability(samples)
        self.tell(EndPredicted(asked.ref, asked.id, probability))

    def _forget_prediction(self) -> None:
        """The pause is over, one way or the other."""
        if self._predicting is not None:
            self._predicting.cancel()

    # --- tasks --------------------------------------------------------------------------------------------

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, context=self._context_of_all.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _begins(options: Options) -> tuple[object, ...]:
    """What prompts begin with, and who reads them."""
    return options.instructions, options.tools, options.model
