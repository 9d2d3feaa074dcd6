"""What is asked of Prometheus.

``$instance`` and ``$window`` are variables of every dashboard: the replicas that are looked at, and how far back each point
of a line looks. Budgets and objectives are metrics too, so that no dashboard holds a number of theirs.
"""

WINDOW = "$window"
RANGE = "$__range"
"""All that the dashboard shows."""

SHARES = ("endpointing", "stt", "llm", "tts", "gateway")
"""Of the waterfall, in the order in which a turn passes them."""


def of(job: str, *labels: str) -> str:
    """Selector of what one kind of process says.

    Args:
        job: without ``antiphon-``; may be a pattern.
        labels: further matchers.
    """
    return (
        "{"
        + ",".join((f'job=~"antiphon-{job}"', 'instance=~"$instance"', *labels))
        + "}"
    )


def rate(metric: str, selector: str, by: str = "", window: str = WINDOW) -> str:
    """How fast a counter grows, in its unit a second."""
    return f"{_sum(by)}(rate({metric}{selector}[{window}]))"


def grown(metric: str, selector: str, by: str = "", window: str = WINDOW) -> str:
    """By how much a counter has grown within a window."""
    return f"{_sum(by)}(increase({metric}{selector}[{window}]))"


def quantile(
    q: str, histogram: str, selector: str, by: str = "", window: str = WINDOW
) -> str:
    """A quantile of a histogram, as good as its buckets are."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', selector, labels, window)})"


def mean(histogram: str, selector: str, by: str = "", window: str = WINDOW) -> str:
    """The mean of what a histogram was told."""
    total = rate(f"{histogram}_sum", selector, by, window)
    return f"{total} / {rate(f'{histogram}_count', selector, by, window)}"


def budget(share: str) -> str:
    """What a share may take where no route says otherwise, in seconds."""
    return f'max(antiphon_budget_seconds{{route="default",share="{share}"}})'


def objective(name: str) -> str:
    """The share of turns that is meant to go well."""
    return f'max(antiphon_objective_ratio{{objective="{name}"}})'


def missed(name: str, window: str) -> str:
    """The share of turns that went wrong, by the objective that they missed: ``within_budget`` or ``answered``."""
    turns = of("gateway")
    if name == "within_budget":
        bad = grown(
            "antiphon_budget_overruns_total",
            of("gateway", 'stage="total"'),
            window=window,
        )
        return f"{bad} / {grown('antiphon_response_latency_seconds_count', turns, window=window)}"
    bad = grown(
        "antiphon_turns_total", of("gateway", 'outcome="failed"'), window=window
    )
    return f"{bad} / {grown('antiphon_turns_total', turns, window=window)}"


def kept(name: str, window: str) -> str:
    """The share of turns that went well."""
    return f"1 - {missed(name, window)}"


def burnt(name: str, window: str) -> str:
    """How fast the error budget is spent, as the alerts see it: by all replicas, over a window that they look at."""
    return f'antiphon:turns_burn:ratio_rate{window}{{objective="{name}"}}'


def alarming(name: str, window: str) -> str:
    """Above which burn rate somebody is told, whatever the number is today."""
    return f'antiphon:turns_burn:limit{{objective="{name}",window="{window}"}}'


def left(name: str, window: str) -> str:
    """What is left of the error budget of a window: 1 is all of it, below 0 it is overspent."""
    return f"1 - ({missed(name, window)}) / (1 - {objective(name)})"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
