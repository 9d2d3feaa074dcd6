"""Between the contract's messages and the conversation's own events and notices; a table, with no logic of its own."""

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2, stt_pb2
from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Ending,
    Failure,
    Image,
    Outcome,
    Transcript,
    TurnTaking,
)
from gateway.conversation.waterfall import Waterfall
from gateway.fronts.config import LONGEST_TEXT
from gateway.fronts.turns import seconds, to_message, to_turns
from services.runtime.errors import InvalidArgument
from services.runtime.units import to_duration

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp")
LARGEST_IMAGE = 3 * 1024 * 1024
"""Bytes, as the contract has it."""

LONGEST_RESULT = 65_536
"""Characters of what a tool gives back."""

NOTHING = "null"
"""What the model reads where a tool gave nothing back; models refuse an empty result."""

_OUTCOMES = {
    Outcome.ANSWERED: pb.TURN_OUTCOME_ANSWERED,
    Outcome.INTERRUPTED: pb.TURN_OUTCOME_INTERRUPTED,
    Outcome.CANCELLED: pb.TURN_OUTCOME_CANCELLED,
    Outcome.FAILED: pb.TURN_OUTCOME_FAILED,
    Outcome.EMPTY: pb.TURN_OUTCOME_EMPTY,
    Outcome.TOOL_CALLS: pb.TURN_OUTCOME_TOOL_CALLS,
    Outcome.HEARD: pb.TURN_OUTCOME_HEARD,
}

ENDINGS = {
    Ending.CLIENT: pb.CONVERSATION_ENDING_CLIENT,
    Ending.DRAINING: pb.CONVERSATION_ENDING_DRAINING,
    Ending.IDLE: pb.CONVERSATION_ENDING_IDLE,
    Ending.TOO_LONG: pb.CONVERSATION_ENDING_TOO_LONG,
}


def to_event(request: pb.ConverseRequest, images: bool, turns: TurnTaking) -> e.Event:
    """What a client's message (other than config and audio) tells the conversation.

    Args:
        request: the message.
        images: whether the model takes pictures.
        turns: when it is whose turn, where the client leaves that open.

    Raises:
        InvalidArgument: it says what is not allowed.
    """
    match request.WhichOneof("message"):
        case "text":
            if not request.text.text.strip() or len(request.text.text) > LONGEST_TEXT:
                raise InvalidArgument(
                    "text.text",
                    "is empty or too long",
                    f"1 to {LONGEST_TEXT} characters",
                )
            return e.TextSaid(request.text.text, request.text.respond)
        case "image":
            if not images:
                raise InvalidArgument(
                    "image",
                    "the model takes no pictures",
                    "another model alias, see Describe",
                )
            return e.ImageShown(_image(request.image.image))
        case "tool_result":
            result = request.tool_result
            if len(result.content) > LONGEST_RESULT:
                raise InvalidArgument(
                    "tool_result.content",
                    f"has {len(result.content)} characters",
                    f"at most {LONGEST_RESULT}",
                )
            return e.ToolReturned(result.tool_call_id, result.content or NOTHING)
        case "commit":
            return e.Committed()
        case "clear":
            return e.Cleared()
        case "cancel":
            return e.ReplyCancelled()
        case "truncate":
            return e.ReplyTruncated(
                request.truncate.turn, seconds("truncate.heard", request.truncate.heard)
            )
        case "turn_taking":
            return e.TurnTakingChanged(
                to_turns("turn_taking", request.turn_taking, turns)
            )
        case "config":
            raise InvalidArgument("config", "came twice", "once, as the first message")
        case _:
            raise InvalidArgument(
                "message",
                "is empty",
                "audio, text, image, tool_result, commit, clear, cancel, truncate, turn_taking",
            )


def to_response(notice: c.Notice) -> pb.ConverseResponse | None:
    """What a notice tells the client; None where it is of no concern to it.

    Raises:
        ValueError: the notice ends the conversation, which is no message of its own.
    """
    match notice:
        case c.TellSpeechStarted(at, _):
            return pb.ConverseResponse(
                speech_started=pb.SpeechStarted(at=to_duration(at))
            )
        case c.TellSpeechStopped(at):
            return pb.ConverseResponse(
                speech_stopped=pb.SpeechStopped(at=to_duration(at))
            )
        case c.TellPartial(text, stable, _):
            partial = pb.PartialTranscript(text=text, stable_characters=stable)
            return pb.ConverseResponse(partial_transcript=partial)
        case c.TellTranscript(turn, transcript, _):
            said = pb.UserTranscript(turn=turn, transcript=_transcript(transcript))
            return pb.ConverseResponse(user_transcript=said)
        case c.TellReplyStarted(turn, _, _):
            return pb.ConverseResponse(reply_started=pb.ReplyStarted(turn=turn))
        case c.TellText(turn, text):
            return pb.ConverseResponse(reply_text=pb.ReplyText(turn=turn, text=text))
        case c.TellAudio(turn, position, _, samples):
            audio = pb.ReplyAudio(
                turn=turn, position=to_duration(position), samples=samples
            )
            return pb.ConverseResponse(reply_audio=audio)
        case c.TellToolCall(turn, call, _, _):
            asked = llm_pb2.ToolCall(
                id=call.id, name=call.name, arguments_json=call.arguments_json
            )
            return pb.ConverseResponse(
                tool_call=pb.ConversationToolCall(turn=turn, call=asked)
            )
        case c.TellDucked(turn, ducked):
            quiet = pb.ReplyDucked(turn=turn, ducked=ducked)
            return pb.ConverseResponse(reply_ducked=quiet)
        case c.TellTurnTaking(turns):
            return pb.ConverseResponse(turn_taking=to_message(turns))
        case c.TellInterrupted(turn, at):
            return pb.ConverseResponse(
                reply_interrupted=pb.ReplyInterrupted(turn=turn, at=to_duration(at))
            )
        case c.TellTurnEnded():
            return pb.ConverseResponse(turn_ended=_turn_ended(notice))
        case (
            c.TellCommitted()
            | c.TellUnheard()
            | c.TellResponding()
            | c.TellIdle()
            | c.TellItem()
            | c.TellItemDeleted()
            | c.TellItemTruncated()
        ):
            return None
        case c.Refuse() | c.Close():
            raise ValueError(f"{type(notice).__name__} is no message")


def _image(image: llm_pb2.Image) -> Image:
    """Checked here, because a picture that the model refuses would spoil every later prompt."""
    if image.media_type not in MEDIA_TYPES:
        raise InvalidArgument(
            "image.image.media_type", f"is {image.media_type!r}", MEDIA_TYPES
        )
    if not 0 < len(image.data) <= LARGEST_IMAGE:
        raise InvalidArgument(
            "image.image.data", f"has {len(image.data)} bytes", f"1 to {LARGEST_IMAGE}"
        )
    return Image(image.data, image.media_type)


def _transcript(transcript: Transcript) -> stt_pb2.Transcript:
    words = [
        stt_pb2.Word(
            text=word.text,
            start=to_duration(word.start),
            end=to_duration(word.end),
            confidence=word.confidence,
        )
        for word in transcript.words
    ]
    return stt_pb2.Transcript(
        text=transcript.text,
        words=words,
        language=transcript.language,
        confidence=transcript.confidence,
    )


def _turn_ended(notice: c.TellTurnEnded) -> pb.TurnEnded:
    return pb.TurnEnded(
        turn=notice.turn,
        outcome=_OUTCOMES[notice.outcome],
        heard_text=notice.heard_text,
        waterfall=_waterfall(notice.waterfall) if notice.waterfall else None,
        usage=llm_pb2.TokenUsage(
            prompt=notice.usage.prompt,
            cached=notice.usage.cached,
            completion=notice.usage.completion,
        ),
        error=_error(notice.failure) if notice.failure else None,
    )


def _waterfall(waterfall: Waterfall) -> pb.Waterfall:
    return pb.Waterfall(
        total=to_duration(waterfall.total),
        endpointing=to_duration(waterfall.endpointing),
        stt=to_duration(waterfall.stt),
        llm=to_duration(waterfall.llm),
        tts=to_duration(waterfall.tts),
        gateway=to_duration(waterfall.gateway),
        saved=to_duration(waterfall.saved),
        overruns=waterfall.overruns,
    )


def _error(failure: Failure) -> pb.TurnError:
    return pb.TurnError(
        stage=failure.stage.value, code=failure.code, message=failure.message
    )
