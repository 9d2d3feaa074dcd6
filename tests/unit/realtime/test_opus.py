"""Opus packets: their length, and what comes through."""

import numpy as np
import pytest

from gateway.fronts.realtime import opus


def tone(seconds: float, rate: int) -> opus.Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (np.sin(times * 440 * 2 * np.pi) * 16_000).astype(np.int16)


def test_a_tone_comes_through_at_the_clock_of_rtp() -> None:
    encoder, decoder = opus.Encoder(), opus.Decoder()
    sent = tone(1.0, opus.RATE).reshape(-1, opus.FRAME)
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in sent])
    assert len(heard) == opus.CLOCK
    spectrum = np.abs(np.fft.rfft(heard[-opus.CLOCK // 2 :]))
    assert np.argmax(spectrum) * 2 == 440
    assert np.abs(heard).mean() == pytest.approx(np.abs(sent).mean(), rel=0.05)


def test_packets_say_how_long_they_last() -> None:
    encoder, decoder = opus.Encoder(), opus.Decoder()
    packets = [encoder.encode(frame) for frame in tone(0.2, opus.RATE).reshape(-1, 480)]
    for packet in [*packets, opus.SILENCE, b"\x08"]:
        assert opus.samples(packet) == len(decoder.decode(packet)) == 960


@pytest.mark.parametrize(
    ("packet", "milliseconds"),
    [
        (b"\x00", 10),
        (b"\x18", 60),
        (b"\x19", 120),
        (b"\x60", 10),
        (b"\x80", 2.5),
        (b"\x83\x08", 20),
        (b"\xfb\x06", 120),
        (b"", 0),
        (b"\x03", 0),
        (b"\xfb\x07", 0),
        (b"\x1b\x3f", 0),
    ],
)
def test_lengths_are_those_of_the_table(packet: bytes, milliseconds: float) -> None:
    assert opus.samples(packet) == milliseconds * 48


def test_the_packet_of_silence_is_silent_behind_speech_too() -> None:
    encoder, decoder = opus.Encoder(), opus.Decoder()
    for frame in tone(0.2, opus.RATE).reshape(-1, opus.FRAME):
        decoder.decode(encoder.encode(frame))
    for _ in range(3):
        decoder.decode(encoder.encode(np.zeros(opus.FRAME, np.int16)))
    heard = [decoder.decode(opus.SILENCE) for _ in range(5)]
    assert np.abs(np.concatenate(heard[1:])).max() < 10


@pytest.mark.parametrize("damaged", [b"\x7b\xff\xff\xff\xff", b"\x79\xff\xff\xff"])
def test_a_damaged_packet_is_silence_of_its_length(damaged: bytes) -> None:
    decoder = opus.Decoder()
    heard = decoder.decode(damaged)
    assert len(heard) == opus.samples(damaged)
    assert len(decoder.decode(opus.SILENCE)) == 960
