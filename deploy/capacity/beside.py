"""What else grows with conversations: connections, series, audio on the network, requests to the model's provider."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.capacity import figures as names
from deploy.capacity.figures import Figures

_UP_KBIT = 16_000 * 16 / 1000
"""kbit/s of a client's audio over gRPC: 16-bit PCM at 16 kHz, all the time."""
_DOWN_KBIT = 24_000 * 16 / 1000
"""kbit/s of an answer, at the rate that a client gets unless it asks for another."""
_DESCRIPTORS = 1
"""Of a gateway for each client: its TCP connection. WebRTC takes a UDP port for each of the gateway's addresses besides."""
_STAGES = ("stt", "llm", "tts")


@dataclass(frozen=True, slots=True)
class Provider:
    """What the provider of a hosted model allows.

    Attributes:
        requests_per_minute: None where nobody said.
        tokens_per_minute: prompt and reply together; None likewise.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What else grows.

    Attributes:
        descriptors: of files and sockets, in each gateway; None where the replicas of a stage are not known.
        connections: between gateways and replicas of the stages, all told; likewise.
        series: of Prometheus; likewise.
        megabits_in: Mbit/s from clients over gRPC.
        megabits_out: to them.
        requests_per_minute: to the model's provider; 0 where the model is our own.
        tokens_per_minute: likewise.
        provider_carries: conversations that the provider's limits allow; None where they are not known.
    """

    descriptors: int | None
    connections: int | None
    series: int | None
    megabits_in: float
    megabits_out: float
    requests_per_minute: float
    tokens_per_minute: float
    provider_carries: int | None


def grow(
    conversations: int,
    counts: Mapping[str, int | None],
    figures: Figures,
    provider: Provider,
    hosted: bool,
) -> Beside:
    """What else so many conversations need.

    Args:
        conversations: at once.
        counts: replicas by component; None where nobody knows.
        figures: that were measured.
        provider: what it allows.
        hosted: whether the model is one of a provider.
    """
    asked, gateways = figures.conversation, counts["gateway"] or 1
    known = [counts[name] or 0 for name in _STAGES if counts[name] is not None]
    replicas = sum(known) if len(known) == len(_STAGES) else None
    requests = conversations * asked.turns_per_minute * asked.drafts if hosted else 0.0
    tokens = requests * (asked.prompt_tokens + asked.reply_tokens)
    return Beside(
        descriptors=None
        if replicas is None
        else math.ceil(conversations / gateways * _DESCRIPTORS) + replicas,
        connections=None if replicas is None else gateways * replicas,
        series=None if replicas is None else _series(counts, figures),
        megabits_in=conversations * _UP_KBIT / 1000,
        megabits_out=conversations * _DOWN_KBIT * asked.answering / 1000,
        requests_per_minute=requests,
        tokens_per_minute=tokens,
        provider_carries=_carried(conversations, requests, tokens, provider),
    )


def _series(counts: Mapping[str, int | None], figures: Figures) -> int:
    of = {
        "gateway": names.GATEWAY,
        "stt": names.STT,
        "llm": names.LLM,
        "tts": names.TTS,
    }
    return sum(
        (counts[component] or 0) * figures.replicas[name].series
        for component, name in of.items()
    )


def _carried(
    conversations: int, requests: float, tokens: float, provider: Provider
) -> int | None:
    """Conversations for which the provider's limits are enough, on average."""
    allowed = [
        limit * conversations / wanted
        for limit, wanted in (
            (provider.requests_per_minute, requests),
            (provider.tokens_per_minute, tokens),
        )
        if limit is not None and wanted
    ]
    return math.floor(min(allowed)) if allowed else None
