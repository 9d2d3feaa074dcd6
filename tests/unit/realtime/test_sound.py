"""What a track plays, and what is told of it."""

from gateway.conversation import commands as c
from gateway.fronts.realtime.responses import Manner, Response
from gateway.fronts.realtime.sound import Sound

MANNER = Manner(True, "conv", None, "any", "inf", None, None)


class Track:
    rate, lead = 24_000, None

    def __init__(self) -> None:
        self.did: list[str] = []

    def play(self, samples: bytes) -> None:
        self.did.append("play")

    def stop_playing(self) -> None:
        self.did.append("stop")

    def duck(self, ducked: bool) -> None:
        self.did.append("duck" if ducked else "loud")


class Scene:
    def __init__(self) -> None:
        self.track = Track()
        self.told: list[tuple[str, str]] = []
        self.sound = Sound(self.track, self._put)

    def _put(self, event: dict[str, str]) -> None:
        self.told.append((event["type"].rpartition(".")[2], event["response_id"]))

    def audio(self, response: str) -> None:
        audio = c.TellAudio(1, 0.0, 0.04, b"\0\0")
        self.sound.heed(audio, Response(response, MANNER))


def test_a_response_is_started_and_stopped_once() -> None:
    scene = Scene()
    scene.audio("a")
    scene.sound.playing(True)
    scene.audio("a")
    scene.sound.ended()
    scene.sound.playing(False)
    scene.sound.playing(False)
    assert scene.told == [("started", "a"), ("stopped", "a")]


def test_a_response_whose_voice_is_slow_has_not_stopped() -> None:
    scene = Scene()
    scene.audio("a")
    scene.sound.playing(True)
    scene.sound.playing(False)
    scene.audio("a")
    scene.sound.playing(True)
    scene.sound.playing(False)
    assert scene.told == [("started", "a")]
    scene.sound.ended()
    assert scene.told == [("started", "a"), ("stopped", "a")]


def test_a_response_that_is_cut_while_its_voice_is_slow_is_cleared() -> None:
    scene = Scene()
    scene.audio("a")
    scene.sound.playing(True)
    scene.sound.playing(False)
    scene.sound.heed(c.TellInterrupted(1, 0.2), None)
    scene.sound.ended()
    assert scene.told == [("started", "a"), ("cleared", "a")]


def test_an_interruption_clears_what_sounds_and_lifts_the_volume() -> None:
    scene = Scene()
    scene.audio("a")
    scene.sound.playing(True)
    scene.sound.heed(c.TellDucked(1, True), None)
    scene.sound.heed(c.TellInterrupted(1, 0.2), None)
    scene.sound.playing(False)
    assert scene.track.did == ["play", "duck", "stop", "loud"]
    assert scene.told == [("started", "a"), ("cleared", "a")]


def test_two_responses_without_a_gap_are_told_apart() -> None:
    scene = Scene()
    scene.audio("a")
    scene.sound.playing(True)
    scene.sound.ended()
    scene.audio("b")
    scene.sound.ended()
    scene.sound.playing(False)
    assert scene.told == [
        ("started", "a"),
        ("stopped", "a"),
        ("started", "b"),
        ("stopped", "b"),
    ]


def test_what_is_silent_is_not_cleared() -> None:
    scene = Scene()
    scene.sound.stop()
    assert scene.told == []
