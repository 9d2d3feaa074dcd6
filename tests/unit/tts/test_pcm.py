import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.pcm import FrameStream

RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]


def tone(seconds: float, rate: int = 22_050) -> np.ndarray:
    clock = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 300 * clock)).astype(np.float32)


def run(samples: np.ndarray, rate: int, cuts: list[int]) -> list[tuple[float, bytes]]:
    stream = FrameStream(22_050, rate, round(0.06 * rate))
    frames = []
    for part in np.split(samples, sorted(cuts)):
        stream.take(part)
        while frame := stream.frame(rest=False):
            frames.append(frame)
    stream.finish()
    while frame := stream.frame(rest=True):
        frames.append(frame)
    return frames


@pytest.mark.parametrize("rate", RATES)
def test_no_audio_is_lost_and_no_piece_clicks(rate: int) -> None:
    samples = tone(1.0)
    frames = run(samples, rate, [100, 3_000, 3_001, 15_000])
    heard = np.frombuffer(b"".join(frame for _, frame in frames), "<i2") / 32_767
    assert abs(len(heard) - rate) <= 2
    # The filter needs a few milliseconds of sound on both sides to be right.
    middle = slice(rate // 50, rate - rate // 50)
    assert np.abs(heard[middle] - tone(1.0, rate)[middle]).max() < 2e-3


@given(st.lists(st.integers(0, 22_050), max_size=8), st.sampled_from(RATES))
def test_a_frame_begins_where_the_one_before_ends(cuts: list[int], rate: int) -> None:
    frames = run(tone(1.0), rate, cuts)
    position = 0
    for at, samples in frames:
        assert at == position / rate
        assert len(samples) % 2 == 0
        position += len(samples) // 2
    assert all(len(samples) == 2 * round(0.06 * rate) for _, samples in frames[:-1])


def test_something_is_held_back_until_the_end_is_known() -> None:
    stream = FrameStream(16_000, 16_000, 960)
    stream.take(tone(0.06, 16_000))
    assert stream.frame(rest=False) is None
    assert stream.frame(rest=True) is not None


def test_what_is_too_loud_is_clipped() -> None:
    stream = FrameStream(16_000, 16_000, 2)
    stream.take(np.array([2.0, -2.0], np.float32))
    frame = stream.frame(rest=True)
    assert frame is not None
    assert np.frombuffer(frame[1], "<i2").tolist() == [32_767, -32_767]
