"""A turn's trace, as this process or an OTLP receiver saw it, and the waterfall that follows from its spans alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import REGISTRY

from antiphon.v1 import conversation_pb2 as pb
from services.runtime.units import to_seconds
from tests.fakes.running_gateway import Client
from tests.fakes.spans import Spans

QUESTION = "Psst 4711?"
"""What nobody else may read."""

SHARES = ("endpointing", "stt", "llm", "tts", "gateway", "saved", "total")


@dataclass(frozen=True)
class Piece:
    """One span.

    Attributes:
        service: whose it is; empty where this process made it.
        id: its own.
        parent: its parent's; empty for a root.
        start: seconds since 1970.
        end: likewise.
        failed: whether its status is an error.
        attributes: those that have one value, and the first of those that have more.
        events: names and times, in order.
    """

    service: str
    name: str
    trace: str
    id: str
    parent: str
    start: float
    end: float
    failed: bool
    attributes: Mapping[str, object]
    events: tuple[tuple[str, float], ...]
    links: tuple[str, ...]

    @classmethod
    def made(cls, span: ReadableSpan) -> Self:
        """A span of this process."""
        context = span.get_span_context()
        assert context is not None
        return cls(
            "",
            span.name,
            format(context.trace_id, "032x"),
            format(context.span_id, "016x"),
            format(span.parent.span_id, "016x") if span.parent else "",
            (span.start_time or 0) / 1e9,
            (span.end_time or 0) / 1e9,
            not span.status.is_ok and not span.status.is_unset,
            {
                name: value[0] if isinstance(value, tuple) else value
                for name, value in (span.attributes or {}).items()
            },
            tuple((event.name, event.timestamp / 1e9) for event in span.events),
            tuple(format(link.context.trace_id, "032x") for link in span.links),
        )

    @classmethod
    def received(cls, service: str, span: trace_pb2.Span) -> Self:
        """A span that was exported."""
        return cls(
            service,
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.start_time_unix_nano / 1e9,
            span.end_time_unix_nano / 1e9,
            span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
            {attribute.key: _value(attribute.value) for attribute in span.attributes},
            tuple((event.name, event.time_unix_nano / 1e9) for event in span.events),
            tuple(link.trace_id.hex() for link in span.links),
        )

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def at(self, event: str) -> list[float]:
        """When an event happened."""
        return [at for name, at in self.events if name == event]


class TurnTrace:
    """All spans of one trace that has a `turn` for its root."""

    def __init__(self, pieces: Iterable[Piece], root: Piece) -> None:
        self.root = root
        self.pieces = [piece for piece in pieces if piece.trace == root.trace]

    def below(self, parent: Piece) -> list[Piece]:
        """Direct children, the first to begin in front."""
        found = [piece for piece in self.pieces if piece.parent == parent.id]
        return sorted(found, key=lambda piece: piece.start)

    def all(self, name: str) -> list[Piece]:
        """The root's children of a name, the first to begin in front."""
        return [piece for piece in self.below(self.root) if piece.name == name]

    def one(self, name: str) -> Piece:
        (piece,) = self.all(name)
        return piece

    def told(self) -> dict[str, float]:
        """The waterfall as the root has it."""
        prefix = "antiphon.turn.waterfall."
        return {
            name.removeprefix(prefix): float(str(value))
            for name, value in self.root.attributes.items()
            if name.startswith(prefix)
        }

    def waterfall(self) -> dict[str, float]:
        """The waterfall that follows from where spans begin and end, and when their events were."""
        endpointing, playout = self.one("endpointing"), self.one("playout")
        revision = max(
            int(str(piece.attributes["antiphon.revision"]))
            for piece in self.all("synthesize")
            if piece.at("first_audio") and piece.at("first_audio")[0] <= playout.start
        )
        generate, synthesize = (
            next(
                piece
                for piece in self.all(name)
                if piece.attributes["antiphon.revision"] == revision
            )
            for name in ("generate", "synthesize")
        )
        (asked,) = self.root.at("transcript_awaited")
        (clause,), (audio,) = (
            synthesize.at("first_clause"),
            synthesize.at("first_audio"),
        )
        shares = {
            "endpointing": endpointing.seconds,
            "stt": generate.start - asked,
            "llm": clause - generate.start,
            "tts": audio - clause,
        }
        total = playout.start - endpointing.start
        saved = max(0.0, min(endpointing.end, audio) - asked)
        return {
            **shares,
            "gateway": total + saved - sum(shares.values()),
            "saved": saved,
            "total": total,
        }


def turns(pieces: Iterable[Piece]) -> list[TurnTrace]:
    """Every turn's trace, by the turns' numbers."""
    pieces = list(pieces)
    roots = [piece for piece in pieces if piece.name == "turn"]
    roots.sort(key=lambda root: int(str(root.attributes["antiphon.turn.number"])))
    return [TurnTrace(pieces, root) for root in roots]


def shares_of(waterfall: pb.Waterfall) -> dict[str, float]:
    """The waterfall as a client is told it."""
    return {share: to_seconds(getattr(waterfall, share)) for share in SHARES}


async def hang_up(client: Client) -> None:
    """End the conversation, and hear it out."""
    await client.call.done_writing()
    await client.until("ended")


async def traces(spans: Spans) -> list[TurnTrace]:
    """All turns that this process has traced, once everything has ended."""
    await spans.all_ended()
    return turns([Piece.made(span) for span in spans])


def counted(name: str, **labels: str) -> float:
    """A counter of this process."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def _value(value: object) -> object:
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]
    if kind == "array_value":
        return _value(value.array_value.values[0])  # type: ignore[attr-defined]
    return getattr(value, kind) if kind else None
