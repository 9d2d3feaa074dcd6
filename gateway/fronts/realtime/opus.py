"""Opus, one packet at a time: FFmpeg's wrapper of libopus, through PyAV.

An encoder takes 24 kHz as it is, so what a voice speaks is not resampled on its way out.
"""

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.packet import Packet

Samples = npt.NDArray[np.int16]

CLOCK = 48_000
"""Hz that Opus counts in over RTP, whatever it carries (RFC 7587, 4.1)."""

RATE = 24_000
"""Hz of what is encoded: most voices' own, and more than a telephone's loudspeaker gives back."""

FRAME = RATE // 50
"""Samples of one packet that is encoded: 20 ms."""

SILENCE = b"\xf8\xff\xfe"
"""A packet of 20 ms of nothing (RFC 6716: CELT, full band, one frame that its first bit calls silent)."""

_BIT_RATE = 32_000
"""Wideband speech and up is transparent to most listeners from about here (RFC 7587, 3.1.1: 28-40 kbit/s)."""

_EFFORT = "5"
"""Of 10: a third cheaper than 10, and the difference is in music."""

_LONGEST = CLOCK * 120 // 1000
"""Samples of one packet (RFC 6716, 3.2.5)."""


def samples(packet: bytes) -> int:
    """How long a packet lasts, in samples at `CLOCK`, by its table of contents (RFC 6716, 3.1); 0: it is none."""
    if not packet:
        return 0
    mode, code = packet[0] >> 3, packet[0] & 3
    if mode < 12:
        frame = (480, 960, 1920, 2880)[mode % 4]
    elif mode < 16:
        frame = (480, 960)[mode % 2]
    else:
        frame = (120, 240, 480, 960)[mode % 4]
    if code == 3:
        count = packet[1] & 0x3F if len(packet) > 1 else 0
    else:
        count = 1 if code == 0 else 2
    return frame * count if frame * count <= _LONGEST else 0


class Encoder:
    """Frames of speech to packets."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, av.AudioCodecContext)
        codec.format = av.AudioFormat("s16")
        codec.layout = av.AudioLayout("mono")
        codec.sample_rate = RATE
        codec.bit_rate = _BIT_RATE
        codec.time_base = Fraction(1, RATE)
        codec.options = {
            "application": "voip",
            "compression_level": _EFFORT,
            "frame_duration": "20",
        }
        self._codec = codec
        self._position = 0

    def encode(self, frame: Samples) -> bytes:
        """One frame, ``int16 [FRAME]`` at `RATE`."""
        audio = av.AudioFrame.from_ndarray(frame[None], format="s16", layout="mono")
        audio.sample_rate = RATE
        audio.pts = self._position
        self._position += FRAME
        (packet,) = self._codec.encode(audio)
        return bytes(packet)


class Decoder:
    """Packets to samples."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, av.AudioCodecContext)
        codec.layout = av.AudioLayout("mono")
        codec.sample_rate = CLOCK
        self._codec = codec

    def decode(self, packet: bytes) -> Samples:
        """The samples of one packet, ``int16 [n]`` at `CLOCK`; as many zeros where it is damaged."""
        try:
            frames = self._codec.decode(Packet(packet))
        except av.FFmpegError:
            return np.zeros(samples(packet), np.int16)
        return np.concatenate(
            [frame.to_ndarray().reshape(-1) for frame in frames]
            or [np.zeros(0, np.int16)]
        ).astype(np.int16, copy=False)
