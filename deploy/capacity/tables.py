"""Plans and figures as tables, which read the same in a terminal and in Markdown."""

import textwrap
from collections.abc import Callable, Iterable, Sequence

from deploy.capacity.figures import QUIET, Figures, Replica
from deploy.capacity.plan import Need, Plan
from deploy.capacity.traffic import LOST

NOT_KNOWN = "?"
_OF = {
    "gateway": "conversations",
    "stt-whisper": "people who speak",
    "llm-proxy": "people who are answered",
    "llm-local": "people who are answered",
    "tts-piper": "people who are answered",
}

_SETTING = {
    "gateway": "ANTIPHON_GATEWAY_MAX_STREAMS",
    "stt": "ANTIPHON_STT_MAX_STREAMS",
    "llm": "ANTIPHON_LLM_MAX_STREAMS",
    "llm-local": "slots of the proxy's upstream and ANTIPHON_LLM_LOCAL_SLOTS",
    "tts": "ANTIPHON_TTS_MAX_STREAMS",
}
"""That say how many are let in."""


def markdown(rows: Sequence[dict[str, str]]) -> str:
    """Columns of the first row's keys; whatever begins with a digit stands to the right."""
    head = list(rows[0])
    lines = [head, *[[row[name] for name in head] for row in rows]]
    right = [
        all(
            line[column][:1].isdigit() or line[column] in ("", NOT_KNOWN)
            for line in lines[1:]
        )
        for column in range(len(head))
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def drawn(cells: Sequence[str]) -> str:
        aligned = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return f"| {' | '.join(aligned)} |"

    rule = [
        "-" * (width - 1) + ":" if to_right else "-" * width
        for width, to_right in zip(widths, right, strict=True)
    ]
    return "\n".join([drawn(head), drawn(rule), *map(drawn, lines[1:])])


def percent(share: float, digits: int = 0) -> str:
    """As our pages write it."""
    return f"{share * 100:.{digits}f} %"


def overview(plans: Sequence[Plan]) -> str:
    """What so many conversations need: a column for each plan, all of the same profile."""
    rows = []
    for kinds in zip(*(each.needs for each in plans), strict=True):
        need = kinds[0]
        name = need.component + (f" ({need.engine})" if need.engine else "")
        rows.append(
            _row(plans, name, [_number(each.replicas) for each in kinds])
            | {"one carries": _number(need.carried)}
        )
    totals: list[tuple[str, Callable[[Plan], float | None]]] = [
        ("cores", lambda each: _sum(need.cores for need in each.needs)),
        ("GPUs", lambda each: _sum(_gpus(need) for need in each.needs)),
        ("GiB of memory", lambda each: _gib(each)),
        ("gateways × replicas, connections", lambda each: each.beside.connections),
        ("descriptors of each gateway", lambda each: each.beside.descriptors),
        ("Prometheus series", lambda each: each.beside.series),
        ("Mbit/s from clients (gRPC)", lambda each: each.beside.megabits_in),
        ("Mbit/s to clients", lambda each: each.beside.megabits_out),
        (
            "requests a minute to the provider",
            lambda each: each.beside.requests_per_minute,
        ),
        ("tokens a minute, likewise", lambda each: each.beside.tokens_per_minute),
        (
            "conversations that its limits carry",
            lambda each: each.beside.provider_carries,
        ),
    ]
    hosted = plans[0].beside.requests_per_minute > 0
    for name, value in totals[: None if hosted else -3]:
        if name != "GPUs" or hosted:
            rows.append(_row(plans, name, [_number(value(each)) for each in plans]))
    return markdown(rows)


def notes(made: Plan) -> list[str]:
    """What has to be known to believe a plan, and to set for it; a sentence each."""
    told = [f"{each.component}: {each.missing}." for each in made.needs if each.missing]
    told += [
        f"{each.component} lets in fewer by default: set {_SETTING[each.component]}={each.max_streams}."
        for each in made.needs
        if each.max_streams
    ]
    beside = made.beside
    if beside.requests_per_minute and beside.provider_carries is None:
        told.append(
            "What the provider allows was not said: REQUESTS_PER_MINUTE=… TOKENS_PER_MINUTE=…"
        )
    return told


def carried(figures: Figures) -> str:
    """What one replica carries."""
    return markdown(
        [
            {
                "one replica of": name,
                "carries": ("at least " if each.at_least else "")
                + f"{each.carried:,} {_OF.get(name, '')}".rstrip(),
                "lets in by default": f"{each.claimed:,}" if each.claimed else "all",
                "streams open then": f"{each.streams:,}",
                "p50 / p95, ms": _latency(each),
                "budget, ms": f"{_budget(figures, name):,.0f}",
                "of its core": _share(each),
                "MiB": f"{each.memory_mb:,.0f}",
            }
            for name, each in figures.replicas.items()
        ]
    )


def disturbance(figures: Figures) -> str:
    """What to think of figures that were measured on a busy machine; empty where it was quiet."""
    others = [step.others for each in figures.replicas.values() for step in each.steps]
    if max(others, default=0.0) <= QUIET:
        return ""
    return textwrap.fill(
        f"**While this was measured, other processes took up to {percent(max(others))} of that core: a replica carries more. Measure it "
        "on a machine that does nothing else.**",
        125,
    )


def steps(figures: Figures) -> str:
    """All that was measured."""
    return markdown(
        [
            {
                "replica": name,
                "at once": f"{step.at_once:,}",
                "streams": f"{step.streams:,.1f}",
                "p50, ms": f"{step.p50_ms:,.0f}",
                "p95, ms": f"{step.p95_ms:,.0f}",
                "failed or late": percent(step.failed),
                "of its core": percent(step.cores),
                "others there": percent(step.others),
                "MiB": f"{step.memory_mb:,.0f}",
            }
            for name, each in figures.replicas.items()
            for step in each.steps
        ]
    )


def introduction(figures: Figures) -> str:
    """What every plan counts with."""
    asked = figures.conversation
    told = (
        f"Of a conversation's time {percent(asked.hearing)} is heard by the recognizer and {percent(asked.answering)} is answer; "
        f"{asked.turns_per_minute:.1f} turns a minute, {asked.drafts:.2f} answers begun for each; {asked.prompt_tokens:.0f} tokens "
        f"of prompt and {asked.reply_tokens:.0f} of reply. Of the calls at most {percent(LOST, 1)} find no place. Measured on {figures.machine}, "
        f"{figures.made}."
    )
    return textwrap.fill(told, 125)


def _row(plans: Sequence[Plan], name: str, values: Sequence[str]) -> dict[str, str]:
    cells = {
        f"{each.conversations:,}": value
        for each, value in zip(plans, values, strict=True)
    }
    return {"conversations": name, "one carries": ""} | cells


def _number(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    return f"{value:,.1f}" if 0 < value < 10 and value % 1 else f"{value:,.0f}"


def _sum(values: Iterable[float | None]) -> float | None:
    """None as soon as one of them is not known."""
    known = list(values)
    return None if None in known else sum(each for each in known if each is not None)


def _gpus(need: Need) -> int | None:
    return None if need.missing else need.gpus


def _gib(made: Plan) -> float | None:
    memory = _sum(need.memory_mb for need in made.needs)
    return None if memory is None else memory / 1024


def _budget(figures: Figures, name: str) -> float:
    stage = name.split("-")[0]
    return float(getattr(figures.budgets, stage))


def _latency(replica: Replica) -> str:
    step = replica.at_limit
    return NOT_KNOWN if step is None else f"{step.p50_ms:,.0f} / {step.p95_ms:,.0f}"


def _share(replica: Replica) -> str:
    step = replica.at_limit
    return NOT_KNOWN if step is None else percent(step.cores)
