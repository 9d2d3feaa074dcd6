"""What was measured: what one replica of each stage carries, and how much of a conversation it is busy for.

``figures.toml`` beside this module is written by ``python -m tests.bench --only capacity --write``. A copy of it may be edited
and named: what you know of your own conversations is worth more than what a benchmark says.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from deploy.capacity.reading import Table

SHIPPED = Path(__file__).with_name("figures.toml")

GATEWAY, STT, LLM, LLM_LOCAL, TTS = (
    "gateway",
    "stt-whisper",
    "llm-proxy",
    "llm-local",
    "tts-piper",
)
"""Replicas that are measured, by what the file calls them."""

QUIET = 0.1
"""Share of its core that others may take from a replica; with more, it is they who are measured."""


@dataclass(frozen=True, slots=True)
class Step:
    """So many at once, and how it went.

    Attributes:
        at_once: people who speak (speech to text) or are answered (language model, text to speech) at once, or conversations
            (gateway).
        streams: RPCs open at once, on average.
        p50_ms: milliseconds that they waited, the median.
        p95_ms: the 95th percentile.
        failed: share of the RPCs that failed, or whose audio came too late, 0 to 1.
        cores: CPU cores that the replica was busy on.
        others: share of its core that other processes took from it, 0 to 1; much of it makes the figures worthless.
        memory_mb: MiB resident at the end.
    """

    at_once: int
    streams: float
    p50_ms: float
    p95_ms: float
    failed: float
    cores: float
    others: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Replica:
    """What one replica carries.

    Attributes:
        source: what was measured, and how.
        carried: the most at once (`Step.at_once`) for which it kept to its budget.
        at_least: whether no more were tried.
        claimed: streams that it lets in by default, as ``Describe`` and ``antiphon_streams_capacity`` say; 0: it says nothing.
        streams: RPCs that were open at once at most when it carried as many: one that is over before its answer has been heard is
            not counted as long.
        memory_mb: MiB resident then.
        series: Prometheus series that it exports; 0: none.
        steps: all that were measured, in rising order.
    """

    source: str
    carried: int
    at_least: bool
    claimed: int
    streams: int
    memory_mb: float
    series: int
    steps: tuple[Step, ...]

    @property
    def at_limit(self) -> Step | None:
        """The step at which it carried the most; None where it carried nothing, or somebody wrote another number."""
        return next((s for s in self.steps if s.at_once == self.carried), None)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a conversation asks of the stages.

    Attributes:
        source: whose conversations, and how measured.
        turns_per_minute: turns, answered or not.
        hearing: share of the time in which a ``Transcribe`` is open, 0 to 1.
        answering: share of the time in which an answer is heard, 0 to 1.
        drafts: answers that are begun for each turn; above 1 because the user goes on after some.
        prompt_tokens: of one request to the model, on average.
        reply_tokens: of one reply.
    """

    source: str
    turns_per_minute: float
    hearing: float
    answering: float
    drafts: float
    prompt_tokens: float
    reply_tokens: float


@dataclass(frozen=True, slots=True)
class Budgets:
    """Milliseconds to which p95 is held, by share of the waterfall (``services/runtime/telemetry/budgets.toml``)."""

    stt: float
    llm: float
    tts: float
    gateway: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it.

    Attributes:
        made: date.
        machine: what it was measured on, and how busy that was.
        budgets: that decided what is carried.
        conversation: what one asks for.
        replicas: by name, see above.
    """

    made: str
    machine: str
    budgets: Budgets
    conversation: Conversation
    replicas: Mapping[str, Replica]


def read(path: Path = SHIPPED) -> Figures:
    """The figures in a file.

    Raises:
        BadInput: it cannot be read, or a field is missing, unknown or out of range; the message names it.
    """
    top = Table.load(path)
    figures = Figures(
        made=top.text("made"),
        machine=top.text("machine"),
        budgets=_budgets(top.table("budgets")),
        conversation=_conversation(top.table("conversation")),
        replicas={
            name: _replica(each) for name, each in top.table("replicas").tables()
        },
    )
    top.done()
    for name in (GATEWAY, STT, LLM, LLM_LOCAL, TTS):
        if name not in figures.replicas:
            raise top.table("replicas").wrong(name, "is missing")
    return figures


def write(figures: Figures, path: Path = SHIPPED) -> None:
    """Write them so that `read` finds them again."""
    lines = [
        "# What one replica carries, and what a conversation asks for. Written by",
        "#   python -m tests.bench --only capacity --write",
        "# deploy/capacity/figures.py says what the names mean, docs/scaling.md how it was measured.",
        *_values(figures, "made", "machine"),
        *_section("budgets", figures.budgets),
        *_section("conversation", figures.conversation),
    ]
    for name, replica in figures.replicas.items():
        lines += _section(f"replicas.{name}", replica)
        lines.append("steps = [")
        for step in replica.steps:
            lines.append(f"  {{ {', '.join(_values(step))} }},")
        lines.append("]")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _section(name: str, value: Budgets | Conversation | Replica) -> list[str]:
    return ["", f"[{name}]", *_values(value)]


def _values(
    value: Figures | Budgets | Conversation | Replica | Step, *names: str
) -> list[str]:
    wanted = names or [each.name for each in fields(value) if each.name != "steps"]
    # A string, a number or a boolean is the same in TOML as in JSON.
    return [
        f"{name} = {json.dumps(getattr(value, name), ensure_ascii=False)}"
        for name in wanted
    ]


def _budgets(table: Table) -> Budgets:
    made = Budgets(
        **{name: table.number(name, above=0) for name in ("stt", "llm", "tts")},
        gateway=table.number("gateway", above=0),
    )
    table.done()
    return made


def _conversation(table: Table) -> Conversation:
    made = Conversation(
        source=table.text("source"),
        turns_per_minute=table.number("turns_per_minute", above=0),
        hearing=table.number("hearing", above=0, most=1),
        answering=table.number("answering", above=0, most=1),
        drafts=table.number("drafts", least=1),
        prompt_tokens=table.number("prompt_tokens"),
        reply_tokens=table.number("reply_tokens"),
    )
    table.done()
    return made


def _replica(table: Table) -> Replica:
    made = Replica(
        source=table.text("source"),
        carried=table.count("carried", least=0),
        at_least=table.flag("at_least"),
        claimed=table.count("claimed", least=0),
        streams=table.count("streams", least=0),
        memory_mb=table.number("memory_mb"),
        series=table.count("series", least=0),
        steps=tuple(_step(each) for each in table.list("steps")),
    )
    table.done()
    return made


def _step(table: Table) -> Step:
    made = Step(
        at_once=table.count("at_once", least=1),
        streams=table.number("streams"),
        p50_ms=table.number("p50_ms"),
        p95_ms=table.number("p95_ms"),
        failed=table.number("failed", most=1),
        cores=table.number("cores"),
        others=table.number("others", most=1),
        memory_mb=table.number("memory_mb"),
    )
    table.done()
    return made
