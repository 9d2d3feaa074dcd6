"""Any audio file becomes what a conversation takes."""

import errno
import io
import os
import resource
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.cli import audio


def _tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    return np.repeat(tone[:, None], channels, axis=1).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]),
    channels=st.integers(1, 3),
    seconds=st.floats(0.05, 0.6),
)
def test_rates_and_channels_change_neither_length_nor_loudness(
    rate: int, channels: int, seconds: float
) -> None:
    pcm = audio.to_speech(_tone(seconds, rate, channels), rate)
    assert audio.duration(pcm) == pytest.approx(seconds, abs=2 / 8_000)
    samples = np.frombuffer(pcm, "<i2")
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.abs(middle).max() == pytest.approx(0.5 * 32_768, rel=0.06)


@given(st.binary(max_size=400).filter(lambda b: len(b) % 2 == 0))
def test_audio_that_is_right_already_passes_unchanged(pcm: bytes) -> None:
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)[:, None] / 32_768
    assert audio.to_speech(samples, audio.INPUT_RATE) == pcm


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=50))
def test_wild_values_are_cut_and_never_wrap_around(values: list[float]) -> None:
    samples = np.array(values, np.float32).reshape(-1, 1)
    pcm = np.frombuffer(audio.to_speech(samples, audio.INPUT_RATE), "<i2")
    for value, sample in zip(values, pcm, strict=True):
        if value > 0.001:
            assert sample > 0
        elif value < -0.001:
            assert sample < 0


def test_infinities_are_cut_without_a_warning() -> None:
    samples = np.full((100, 2), np.inf, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pcm = audio.to_speech(samples, audio.INPUT_RATE)
    assert set(np.frombuffer(pcm, "<i2").tolist()) == {32_767}


@given(st.binary(max_size=9_000), st.sampled_from([0.02, 0.04, 0.08]))
def test_frames_are_equal_and_nothing_is_lost(pcm: bytes, seconds: float) -> None:
    frames = list(audio.frames(pcm, seconds))
    assert b"".join(frames) == pcm
    assert {len(frame) for frame in frames[:-1]} <= {round(seconds * 16_000) * 2}
    assert all(frames)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (16_000, 1)])
def test_files_of_any_kind_are_read(
    tmp_path: Path, ending: str, rate: int, channels: int
) -> None:
    path = tmp_path / f"question.{ending}"
    soundfile.write(path, _tone(0.5, rate, channels), rate)
    pcm = audio.read_speech(path)
    assert audio.duration(pcm) == pytest.approx(0.5, abs=0.1)
    assert np.abs(np.frombuffer(pcm, "<i2")).max() > 8_000


@pytest.mark.parametrize("content", [b"", b"RIFF", b"this is no audio" * 50])
def test_what_is_no_audio_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "question.wav"
    path.write_bytes(content)
    with pytest.raises(audio.UnreadableAudio, match=r"question\.wav.*MP3 can be read"):
        audio.read_speech(path)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros((0, 1), np.float32), 16_000)
    with pytest.raises(audio.UnreadableAudio, match="holds no audio"):
        audio.read_speech(path)


def test_the_recording_of_the_demo_is_eleven_seconds_of_speech() -> None:
    pcm = audio.read_speech(Path(__file__).parents[3] / "assets" / "jfk.wav")
    assert audio.duration(pcm) == 11.0


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_answers_are_saved_without_loss_in_folders_made_for_them(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "new" / f"answer.{ending}"
    pcm = np.arange(-500, 500, dtype="<i2").tobytes()
    audio.write_speech(path, pcm, 24_000)
    samples, rate = soundfile.read(io.BytesIO(path.read_bytes()), dtype="int16")
    assert (samples.tobytes(), rate) == (pcm, 24_000)


@pytest.mark.parametrize("name", ["answer.txt", "answer", "answer.raw"])
def test_endings_that_name_no_format_are_refused_beforehand(name: str) -> None:
    with pytest.raises(audio.UnreadableAudio, match=r"\.wav"):
        audio.check_writable(Path(name))


@pytest.mark.parametrize("place", ["a-file", "a-file/below", "/proc"])
def test_a_place_where_nothing_can_be_saved_is_refused_beforehand_with_the_reason(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    # Nobody can make a file in /proc, not even who may write everywhere.
    path = tmp_path / place / "answer.wav"
    with pytest.raises(audio.UnreadableAudio, match=r"answer\.wav") as refused:
        audio.check_writable(path)
    reasons = (errno.ENOTDIR, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS)
    assert any(os.strerror(reason) in str(refused.value) for reason in reasons)


def test_checking_beforehand_makes_the_folder_and_touches_no_file(
    tmp_path: Path,
) -> None:
    new, old = tmp_path / "new" / "answer.wav", tmp_path / "answer.wav"
    old.write_bytes(b"an earlier answer")
    audio.check_writable(new)
    audio.check_writable(old)
    assert new.parent.is_dir()
    assert not new.exists()
    assert old.read_bytes() == b"an earlier answer"


def test_a_failed_write_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "answer.wav"
    audio.check_writable(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with pytest.raises(audio.UnreadableAudio) as refused:
            audio.write_speech(path, bytes(48_000), 24_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.strerror(errno.EFBIG) in str(refused.value)
    assert not path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_device_is_said_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "answer.wav"
    path.symlink_to("/dev/full")
    with pytest.raises(audio.UnreadableAudio, match=os.strerror(errno.ENOSPC)):
        audio.write_speech(path, bytes(48_000), 24_000)
    assert path.is_char_device()
