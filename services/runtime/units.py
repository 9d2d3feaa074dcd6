"""Conversions between Python's seconds and the contract's durations."""

from google.protobuf.duration_pb2 import Duration

PCM_BYTES = 2
"""Bytes of one 16-bit sample."""


def to_duration(seconds: float) -> Duration:
    """Seconds as a protobuf duration, to the nanosecond."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def to_seconds(duration: Duration) -> float:
    """A protobuf duration as seconds."""
    return duration.seconds + duration.nanos * 1e-9
