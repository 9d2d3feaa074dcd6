"""From conversations to replicas."""

import math
from dataclasses import dataclass
from enum import Enum

from deploy.capacity import figures as names
from deploy.capacity.beside import Beside, Provider, grow
from deploy.capacity.figures import Figures, Replica
from deploy.capacity.gpu import Carried, Gpu
from deploy.capacity.reading import BadInput
from deploy.capacity.traffic import Kind, places, replicas

FILLED = 0.8
"""Share of its conversations to which a gateway is filled: each stays where it began, so that no two are equally full."""

HOSTED_STREAMS = 64
"""Lets a proxy of hosted models in: deploy/config/gemma.yaml, by which it runs beside GPUs, in compose as on Kubernetes."""

MOST_CONVERSATIONS = 100_000_000

_SHARED = frozenset({names.LLM_LOCAL, names.TTS})
"""Replicas of one core, of which each stream gets its share until its answer is written or spoken, long before it has been
heard. A GPU is not counted on for that: how fast one stream is when others are gone has not been measured on it."""

_OVER_SOON = 10
"""Times as many people as open streams: then these are far too short for one to be counted for each."""


class Profile(Enum):
    """Who does the work."""

    CPU = "cpu"
    """Whisper, llama.cpp beside each proxy, Piper: each replica on one core."""
    GPU = "gpu"
    """Parakeet and Qwen3-TTS, each on a GPU of its own, and a hosted model."""


@dataclass(frozen=True, slots=True)
class Need:
    """One kind of process.

    Attributes:
        component: as images and manifests call it.
        engine: who does the work in it.
        busy: streams (gateway: conversations) open on average, of all replicas.
        carried: of one replica; None where nobody knows.
        replicas: None likewise.
        cores: CPU cores of all; None where that was not measured.
        gpus: of all.
        memory_mb: MiB of all; None where that was not measured.
        max_streams: what a replica has to let in to carry as much, where that is more than it does by default; else None.
        missing: why it is not known; empty: it is.
    """

    component: str
    engine: str
    busy: float
    carried: int | None
    replicas: int | None = None
    cores: int | None = None
    gpus: int = 0
    memory_mb: float | None = None
    max_streams: int | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What so many conversations need.

    Attributes:
        conversations: at once.
        profile: who does the work.
        needs: in the order of the pipeline.
        beside: what else grows.
    """

    conversations: int
    profile: str
    needs: tuple[Need, ...]
    beside: Beside


def make(
    conversations: int,
    profile: Profile,
    figures: Figures,
    gpu: Gpu,
    provider: Provider,
    spare: int = 0,
) -> Plan:
    """What so many conversations need, with so many replicas of each kind to spare.

    Raises:
        BadInput: a number is out of range, or a replica that is needed carries nothing.
    """
    if not 1 <= conversations <= MOST_CONVERSATIONS:
        raise BadInput(
            f"conversations: is {conversations}, and has to be 1 to {MOST_CONVERSATIONS:,}"
        )
    if spare < 0:
        raise BadInput(f"spare: is {spare}, and has to be 0 or more")
    asked = figures.conversation
    answering = min(1.0, asked.answering * asked.drafts)
    gateways = _gateways(conversations, figures.replicas[names.GATEWAY], spare)
    if profile is Profile.CPU:
        whisper = _stage(
            "stt", "whisper", figures, names.STT, conversations, asked.hearing, spare
        )
        local = _stage(
            "llm-local",
            "llama.cpp",
            figures,
            names.LLM_LOCAL,
            conversations,
            answering,
            spare,
        )
        piper = _stage(
            "tts", "piper", figures, names.TTS, conversations, answering, spare
        )
        needs: tuple[Need, ...] = (
            gateways,
            whisper,
            _beside(local, figures),
            local,
            piper,
        )
    else:
        needs = (
            gateways,
            _on_gpu("stt", "parakeet", gpu.stt, conversations, asked.hearing, spare),
            _stage(
                "llm",
                "hosted",
                figures,
                names.LLM,
                conversations,
                answering,
                spare,
                HOSTED_STREAMS,
            ),
            _on_gpu("tts", "qwen3", gpu.tts, conversations, answering, spare),
        )
    return Plan(
        conversations,
        profile.value,
        needs,
        grow(
            conversations,
            {need.component: need.replicas for need in needs},
            figures,
            provider,
            hosted=profile is Profile.GPU,
        ),
    )


def _gateways(conversations: int, replica: Replica, spare: int) -> Need:
    if not replica.carried:
        raise BadInput(f"replicas.{names.GATEWAY}.carried: has to be 1 or more")
    count = math.ceil(conversations / max(1, int(replica.carried * FILLED))) + spare
    return Need(
        "gateway",
        "",
        conversations,
        replica.carried,
        replicas=count,
        cores=count,
        memory_mb=count * replica.memory_mb,
        max_streams=_limit(replica),
    )


def _stage(
    component: str,
    engine: str,
    figures: Figures,
    name: str,
    conversations: int,
    share: float,
    spare: int,
    lets_in: int | None = None,
) -> Need:
    replica = figures.replicas[name]
    if not replica.carried:
        return Need(
            component,
            engine,
            conversations * share,
            None,
            missing="one core does not carry one stream within its budget",
        )
    kind = Kind.SHARED if name in _SHARED else Kind.HELD
    count = replicas(conversations, share, replica.carried, kind) + spare
    return Need(
        component,
        engine,
        conversations * share,
        replica.carried,
        replicas=count,
        cores=count,
        memory_mb=count * replica.memory_mb,
        max_streams=_limit(replica, lets_in),
    )


def _beside(local: Need, figures: Figures) -> Need:
    """A proxy for each local server, since it is the proxy that counts the server's slots."""
    proxy = figures.replicas[names.LLM]
    count, busiest = local.replicas, proxy.at_limit
    # It takes so little of a core that many share one.
    each = busiest.cores / busiest.at_once * (local.carried or 0) if busiest else 1.0
    return Need(
        "llm",
        "proxy",
        local.busy,
        local.carried,
        replicas=count,
        cores=None if count is None else math.ceil(count * each),
        memory_mb=None if count is None else count * proxy.memory_mb,
        max_streams=local.max_streams,
        missing=local.missing,
    )


def _on_gpu(
    component: str,
    engine: str,
    carried: Carried | str,
    conversations: int,
    share: float,
    spare: int,
) -> Need:
    busy = conversations * share
    if isinstance(carried, str):
        return Need(component, engine, busy, None, missing=carried)
    count = replicas(conversations, share, carried.streams) + spare
    return Need(component, engine, busy, carried.streams, count, gpus=count)


def _limit(replica: Replica, lets_in: int | None = None) -> int | None:
    """What it has to let in for what it carries, where it lets in fewer: by default, or by the settings that it runs with.

    A stream may last as long as its person speaks or listens; but what a model writes at once is over at once.
    """
    wanted, step = replica.carried, replica.at_limit
    if step is not None and step.streams < wanted / _OVER_SOON:
        wanted = places(step.streams)
    least = replica.claimed if lets_in is None else lets_in
    return wanted if wanted > least > 0 else None
