"""Realtime calls over WebRTC, with a client that is nobody's but aiortc's."""

import pytest

from tests.fakes.caller import Caller, calling
from tests.fakes.doors import OpenDoors, doors
from tests.fakes.hearing import silence, speech
from tests.fakes.stages import Script


async def test_a_spoken_turn_is_heard_answered_and_played() -> None:
    async with doors() as gateway, calling(gateway.http) as caller:
        await caller.update(audio={"input": {"transcription": {"model": "any"}}})
        caller.microphone.say(speech(0.6))
        await caller.until("output_audio_buffer.stopped")
        print(caller.types())
        print(max(caller.heard), len(caller.heard))
    assert gateway.admission.open == 0
