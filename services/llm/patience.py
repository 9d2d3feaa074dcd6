"""How long a try may take: what the settings bear, within the time that the turn has left. Pure."""

from dataclasses import dataclass

from services.llm.settings import RouteSettings, UpstreamSettings

SHARE_BEFORE_OTHERS = 0.5
"""Of the time left, what an upstream may use up that has another behind it; the last one may use all."""


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds.

    Attributes:
        first_token: from the request to the first sign of life, connecting included.
        between_tokens: of silence after that.
        answer: from the request to the first text or tool call, thinking included; None where nothing limits it.
    """

    first_token: float
    between_tokens: float
    answer: float | None = None


def allot(
    upstream: UpstreamSettings, route: RouteSettings, left: float | None, behind: int
) -> Patience:
    """What a try gets.

    Args:
        upstream: that is tried.
        route: that leads to it.
        left: seconds until the RPC's deadline; None without one.
        behind: upstreams that could still be tried after this one.
    """
    first = min(
        upstream.first_token_timeout,
        route.first_token_timeout or upstream.first_token_timeout,
    )
    if left is None:
        return Patience(first, upstream.between_tokens_timeout)
    share = left * SHARE_BEFORE_OTHERS if behind else left
    return Patience(
        min(first, share), min(upstream.between_tokens_timeout, left), share
    )
