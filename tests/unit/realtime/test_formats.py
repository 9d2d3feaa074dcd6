import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.formats import (
    HEARING_RATE,
    PCM,
    PCMA,
    PCMU,
    AudioFormatSpec,
    Inlet,
    Outlet,
    Samples,
)

CODECS = {PCMU: "pcm_mulaw", PCMA: "pcm_alaw"}
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)


def decoded_by_ffmpeg(type: str, data: bytes) -> Samples:
    codec = av.CodecContext.create(CODECS[type], "r")
    codec.sample_rate = 8_000
    codec.layout = "mono"
    frames = codec.decode(av.Packet(data))
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def encoded_by_ffmpeg(type: str, samples: Samples) -> bytes:
    codec = av.CodecContext.create(CODECS[type], "w")
    codec.sample_rate = 8_000
    codec.layout = "mono"
    codec.format = "s16"
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = 8_000
    packets = [*codec.encode(frame), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def sine(rate: int, hertz: float, seconds: float = 1.0) -> Samples:
    time = np.arange(round(rate * seconds)) / rate
    return (np.sin(2 * np.pi * hertz * time) * 16_000).astype("<i2")


def to_wire(type: str, samples: Samples) -> bytes:
    return Outlet(AudioFormatSpec(type, 8_000)).push(samples.astype("<i2").tobytes())


def heard(format: AudioFormatSpec, data: bytes, sizes: list[int]) -> Samples:
    """What an inlet makes of data in pieces of these sizes, one after the other and again."""
    inlet, pieces, at = Inlet(format), [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(inlet.push(data[at : at + size]))
        at += size
    return np.frombuffer(b"".join(pieces), "<i2")


@pytest.mark.parametrize("type", [PCMU, PCMA])
def test_every_code_of_g711_sounds_as_in_ffmpeg(type: str) -> None:
    codes = bytes(range(256))
    theirs = decoded_by_ffmpeg(type, codes)
    # Through an inlet at 16 kHz, each code held for long enough to be a level of its own.
    held = 64
    stretched = bytes(code for code in codes for _ in range(held))
    ours = heard(AudioFormatSpec(type, 8_000), stretched, [len(stretched)])
    middles = ours[held :: 2 * held][:256].astype(int)
    near = np.abs(middles - theirs[: len(middles)])
    assert len(middles) == 256
    assert near.max() <= 2 + np.abs(theirs).max() * 0.002


@pytest.mark.parametrize("type", [PCMU, PCMA])
def test_every_sample_is_encoded_as_near_as_ffmpeg_does(type: str) -> None:
    ours = decoded_by_ffmpeg(type, to_wire(type, EVERY_SAMPLE)).astype(int)
    theirs = decoded_by_ffmpeg(type, encoded_by_ffmpeg(type, EVERY_SAMPLE)).astype(int)
    asked = EVERY_SAMPLE.astype(int)
    assert (np.abs(ours - asked) <= np.abs(theirs - asked)).all()


@pytest.mark.parametrize("type", [PCMU, PCMA])
def test_what_ffmpeg_decoded_is_encoded_to_the_same_sound(type: str) -> None:
    levels = decoded_by_ffmpeg(type, bytes(range(256)))
    assert (decoded_by_ffmpeg(type, to_wire(type, levels)) == levels).all()


@pytest.mark.parametrize(("type", "silence"), [(PCMU, 0xFF), (PCMA, 0xD5)])
def test_silence_is_the_usual_code(type: str, silence: int) -> None:
    assert to_wire(type, np.zeros(3, np.int16)) == bytes([silence] * 3)


@pytest.mark.parametrize(
    "format",
    [
        AudioFormatSpec(PCM, 8_000),
        AudioFormatSpec(PCM, 22_050),
        AudioFormatSpec(PCM, 24_000),
        AudioFormatSpec(PCM, 48_000),
        AudioFormatSpec(PCMU, 8_000),
        AudioFormatSpec(PCMA, 8_000),
    ],
)
def test_a_sine_in_odd_pieces_comes_through_without_a_click(
    format: AudioFormatSpec,
) -> None:
    samples = sine(format.rate, 440)
    g711 = format.type != PCM
    data = to_wire(format.type, samples) if g711 else samples.tobytes()
    sizes = [2, 34, 1_922, 6, 640, 998]
    whole = heard(format, data, [len(data)])
    pieces = heard(format, data, sizes)
    shared = min(len(whole), len(pieces))
    assert shared >= 0.99 * HEARING_RATE
    assert (whole[:shared] == pieces[:shared]).all()
    # A click is energy anywhere but at the tone.
    window = np.hanning(8_192)
    spectrum = np.abs(np.fft.rfft(pieces[2_000:10_192] * window)) ** 2
    tone = round(440 * 8_192 / HEARING_RATE)
    inside = spectrum[tone - 12 : tone + 13].sum()
    quieter_by = 10 * np.log10(inside / (spectrum.sum() - inside))
    assert quieter_by > (30 if g711 else 60)


def test_audio_at_the_rate_of_hearing_passes_as_it_is() -> None:
    samples = sine(HEARING_RATE, 440).tobytes()
    assert Inlet(AudioFormatSpec(PCM, HEARING_RATE)).push(samples) == samples


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_the_voice_is_asked_for_the_rate_of_the_wire(rate: int) -> None:
    outlet = Outlet(AudioFormatSpec(PCM, rate))
    samples = sine(rate, 440).tobytes()
    assert outlet.rate == rate
    assert outlet.push(samples) == samples


def test_what_is_long_comes_in_pieces_of_a_second_that_are_the_same_as_the_whole() -> (
    None
):
    format = AudioFormatSpec(PCM, 24_000)
    data = (np.sin(np.arange(60_000) / 9) * 9_000).astype("<i2").tobytes()
    pieces = list(Inlet(format).pieces(data))
    assert len(pieces) == 3
    assert max(map(len, pieces)) <= 2 * HEARING_RATE
    assert b"".join(pieces) == Inlet(format).push(data)


def test_half_a_sample_is_refused_before_any_of_it_is_heard() -> None:
    inlet = Inlet(AudioFormatSpec(PCM, 24_000))
    with pytest.raises(WireError, match="whole 16-bit samples"):
        next(inlet.pieces(b"\0" * 96_001))
    assert list(inlet.pieces(b"")) == []


def test_half_a_sample_is_refused() -> None:
    inlet = Inlet(AudioFormatSpec(PCM, 24_000))
    with pytest.raises(WireError) as caught:
        inlet.push(b"\0" * 3)
    assert caught.value.param == "audio"
    assert "whole 16-bit samples" in caught.value.message
    assert inlet.push(b"\0" * 4_800)


@pytest.mark.parametrize("type", [PCM, PCMU, PCMA])
def test_no_audio_is_no_audio(type: str) -> None:
    format = AudioFormatSpec(type, 8_000)
    assert Inlet(format).push(b"") == b""
    assert Outlet(format).push(b"") == b""


@given(st.binary(max_size=4_000), st.sampled_from([PCMU, PCMA]))
def test_any_bytes_are_g711(data: bytes, type: str) -> None:
    assert len(Inlet(AudioFormatSpec(type, 8_000)).push(data)) <= 4 * len(data)


def test_a_session_names_the_rate_of_pcm_alone() -> None:
    assert AudioFormatSpec(PCM, 16_000).to_wire() == {"type": PCM, "rate": 16_000}
    assert AudioFormatSpec(PCMU, 8_000).to_wire() == {"type": PCMU}
