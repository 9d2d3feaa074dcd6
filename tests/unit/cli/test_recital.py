"""Speaking a recording to a scripted gateway."""

from antiphon.cli.dialogue import Dialogue
from antiphon.cli.talk import talk_with_recording
from antiphon.cli.turns import Turns
from antiphon.cli.views import QuietView
from antiphon.cli.wishes import Wishes
from antiphon.v1 import conversation_pb2 as pb
from services.runtime.units import to_duration
from tests.fakes.gateway import Exchange, Script, ScriptedGateway, scripted_gateway

RECORDING = b"\x05\x00" * 3_200
"""0.2 s."""


async def _recite(gateway: ScriptedGateway, wishes: Wishes | None = None) -> Dialogue:
    return await talk_with_recording(
        gateway.target,
        wishes or Wishes(),
        RECORDING,
        QuietView(),
        play=False,
        device=None,
        patience=5.0,
    )


async def _recited(script: Script, wishes: Wishes | None = None) -> Exchange:
    async with scripted_gateway(script) as gateway:
        dialogue = await _recite(gateway, wishes)
        assert dialogue.broken is None
        return gateway.exchanges[0]


async def test_a_greeting_is_heard_out_before_the_recording_is_spoken() -> None:
    greeted_at = 0

    async def script(exchange: Exchange) -> None:
        nonlocal greeted_at
        await exchange.say(reply_started=pb.ReplyStarted(turn=1))
        await exchange.heard(0.3)
        greeted_at = len(exchange.audio)
        assert not any(exchange.audio)
        ended = pb.TurnEnded(turn=1, outcome=pb.TURN_OUTCOME_ANSWERED)
        await exchange.say(turn_ended=ended)
        await exchange.heard(0.6)
        await exchange.turn(2)

    exchange = await _recited(script, Wishes(greeting="Hello."))
    assert exchange.config.greeting.say == "Hello."
    assert bytes(exchange.audio).index(RECORDING) >= greeted_at


async def test_pushing_to_talk_the_end_of_the_recording_ends_the_turn() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.got("commit")
        assert bytes(exchange.audio) == RECORDING
        await exchange.turn(1)

    exchange = await _recited(script, Wishes(turns=Turns("push-to-talk")))
    kinds = [request.WhichOneof("message") for request in exchange.requests]
    assert kinds.count("commit") == 1


async def test_otherwise_the_gateway_finds_the_end() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.2)
        await exchange.turn(1)

    exchange = await _recited(script)
    kinds = {request.WhichOneof("message") for request in exchange.requests}
    assert kinds == {"audio"}


async def test_silence_is_sent_for_as_long_as_the_gateway_may_wait() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.closed()

    exchange = await _recited(script, Wishes(turns=Turns(min_wait=0.1, max_wait=0.5)))
    seconds = len(exchange.audio) / 2 / 16_000
    assert 0.2 + 0.5 + 0.7 <= seconds < 0.2 + 0.5 + 0.7 + 0.1


async def test_a_backchannel_that_came_to_nothing_is_not_waited_for() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.heard(0.1)
        await exchange.turn(1)
        await exchange.say(speech_started=pb.SpeechStarted(at=to_duration(0.1)))
        await exchange.say(speech_stopped=pb.SpeechStopped(at=to_duration(0.2)))
        await exchange.closed()

    exchange = await _recited(script)
    assert exchange.half_closed
