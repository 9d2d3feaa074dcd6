"""The last stretch of the input's audio, by position, so that what was spoken before it was noticed is not lost."""

SAMPLE_RATE = 16_000
"""Hz; what hearing and speech to text work at."""

BYTES_PER_SECOND = SAMPLE_RATE * 2


class Tape:
    """16-bit mono PCM at `SAMPLE_RATE`; positions are seconds since the first sample."""

    def __init__(self) -> None:
        self._samples = bytearray()
        self._forgotten = 0

    @property
    def start(self) -> float:
        """Position of the first sample that is not forgotten."""
        return self._forgotten / BYTES_PER_SECOND

    @property
    def end(self) -> float:
        """Position behind the last sample."""
        return (self._forgotten + len(self._samples)) / BYTES_PER_SECOND

    def append(self, samples: bytes) -> None:
        """The next samples."""
        self._samples += samples

    def read(self, start: float, end: float | None = None) -> bytes:
        """Samples from ``start`` to ``end`` (or to the last), as far as they are still on the tape."""
        first = max(0, _offset(start) - self._forgotten)
        last = (
            len(self._samples)
            if end is None
            else max(0, _offset(end) - self._forgotten)
        )
        return bytes(self._samples[first:last])

    def forget(self, before: float) -> None:
        """Drop what lies before a position, once that is worth the copying."""
        surplus = min(_offset(before) - self._forgotten, len(self._samples))
        if surplus >= BYTES_PER_SECOND:
            del self._samples[:surplus]
            self._forgotten += surplus


def _offset(position: float) -> int:
    return max(0, round(position * SAMPLE_RATE)) * 2
