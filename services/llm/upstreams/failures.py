"""What an upstream's refusals mean in the contract's errors."""

import json
import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Outcome, UpstreamFailure
from services.llm.upstreams.surrogates import whole
from services.runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    Full,
    InvalidArgument,
    Unavailable,
)

MAX_RETRY_SECONDS = 300.0
_CHECKED = {
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "max_tokens": "sampling.max_tokens",
    "max_completion_tokens": "sampling.max_tokens",
    "seed": "sampling.seed",
    "stop": "sampling.stop",
    "tool_choice": "tool_choice",
    "stream_options": "",
}
"""Fields of a request that were valid when they came in, with the contract's names for them."""
_NO_SUCH_PLACE = (404, 405, 410)
_CALLERS_FAULT = (400, 413, 422)
"""HTTP statuses; all else from 400 on, but those that `_meant` names, tells of the upstream and not of the request."""
_SAID = 300
"""Characters of an upstream's own words that an error repeats."""


def unreachable(upstream: UpstreamSettings, why: str) -> UpstreamFailure:
    """Nobody answers at the address."""
    hint = upstream.start_hint or "check base_url or provider, and the network"
    where = upstream.base_url or f"provider {upstream.provider}"
    return UpstreamFailure(
        Outcome.UNREACHABLE,
        Unavailable(
            f"upstream {upstream.name!r} cannot be reached at {where} ({why}); {hint}"
        ),
    )


def not_offered(upstream: UpstreamSettings, why: str) -> UpstreamFailure:
    """The provider does not have the model."""
    return UpstreamFailure(
        Outcome.NOT_FOUND,
        FailedPrecondition(
            f"upstream {upstream.name!r}: {why} Mend provider or model in its settings and start again."
        ),
    )


def timed_out(upstream: UpstreamSettings, what: str, seconds: float) -> UpstreamFailure:
    """It took longer than the settings bear."""
    return UpstreamFailure(
        Outcome.TIMEOUT,
        DeadlineExceeded(f"upstream {upstream.name!r}: {what} within {seconds:g} s"),
    )


def bad_response(upstream: UpstreamSettings, what: str) -> UpstreamFailure:
    """It does not speak the protocol."""
    return UpstreamFailure(
        Outcome.BAD_RESPONSE, Unavailable(f"upstream {upstream.name!r}: {what}")
    )


def empty(upstream: UpstreamSettings) -> UpstreamFailure:
    """The reply ended without a word and without a tool call; all there was may have been reasoning."""
    return UpstreamFailure(
        Outcome.EMPTY,
        Unavailable(
            f"upstream {upstream.name!r} ended its reply without a word; if its model reasons, turn that down in extra_body"
        ),
    )


def broken_off(upstream: UpstreamSettings, why: str) -> UpstreamFailure:
    """The connection broke while it answered."""
    return UpstreamFailure(
        Outcome.UPSTREAM_ERROR,
        Unavailable(f"upstream {upstream.name!r} broke off ({why})"),
    )


def from_status(
    upstream: UpstreamSettings,
    status: int,
    headers: Mapping[str, str],
    body: str,
    filled: Collection[str] = (),
) -> UpstreamFailure:
    """What an HTTP status means. A server that all replicas ask would have told any of them the same.

    Args:
        upstream: that answered so.
        status: of HTTP.
        headers: of the response.
        body: what the server said about it.
        filled: fields of the request that only the settings fill.
    """
    error = _parse(body)
    said = _words(error, body)
    failure = _meant(upstream, status, headers, error, said, filled)
    failure.error.everywhere = upstream.shared
    if said:
        left_out = f"({len(said)} characters)"
        failure.reason = _meant(
            upstream, status, headers, error, left_out, filled
        ).reason
    return failure


def _meant(
    upstream: UpstreamSettings,
    status: int,
    headers: Mapping[str, str],
    error: Mapping[str, Any],
    said: str,
    filled: Collection[str],
) -> UpstreamFailure:
    said = said or "no reason given"
    name = f"upstream {upstream.name!r}"
    if status in (401, 402, 403):
        return UpstreamFailure(
            Outcome.UNAUTHORIZED,
            FailedPrecondition(
                f"the key of {name} is refused (HTTP {status}: {said}); {_mend_key(upstream)}"
            ),
        )
    if status in _NO_SUCH_PLACE or 300 <= status < 400:
        place = headers.get("location", "nowhere") if status < 400 else said
        return UpstreamFailure(
            Outcome.NOT_FOUND,
            FailedPrecondition(
                f"{name} has no model {upstream.model!r}, or its base_url is wrong (HTTP {status}: {place})"
            ),
        )
    if status == 408:
        return UpstreamFailure(
            Outcome.TIMEOUT, DeadlineExceeded(f"{name} gave up waiting: {said}")
        )
    if status == 429:
        return UpstreamFailure(
            Outcome.RATE_LIMITED,
            Full(
                f"{name} allows no more requests now: {said}",
                _retry_after(headers.get("retry-after")),
            ),
        )
    if status in _CALLERS_FAULT:
        return _bad_request(error, f"{name} refused the request: {said}", filled)
    return UpstreamFailure(
        Outcome.UPSTREAM_ERROR, Unavailable(f"{name} failed (HTTP {status}: {said})")
    )


def from_error(
    upstream: UpstreamSettings, error: object, filled: Collection[str] = ()
) -> UpstreamFailure:
    """What an error object in the middle of a stream means; ``filled`` as in `from_status`."""
    fields = _plain(error)
    code = fields.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return from_status(upstream, status, {}, json.dumps({"error": fields}), filled)


def _bad_request(
    error: Mapping[str, Any], message: str, filled: Collection[str]
) -> UpstreamFailure:
    """Whose fault a refused request is, by the field that the server names.

    One that only the settings fill is the operator's. One whose range was checked when the request came in, such as
    ``seed``, is a matter of what this upstream supports, and another may. All else is the caller's: the next upstream
    would refuse it too.
    """
    param = str(error.get("param") or "").split(".")[0]
    if param == "model" or param in filled:
        mend = f"{message} (mend {param!r} in the upstream's settings)"
        return UpstreamFailure(Outcome.BAD_REQUEST, FailedPrecondition(mend))
    if param in _CHECKED:
        refused = InvalidArgument(_CHECKED[param], message)
        return UpstreamFailure(Outcome.BAD_REQUEST, refused, blamed=False)
    kind = f"{error.get('type')} {error.get('code')} {message}".lower()
    field = "messages" if "context" in kind else ""
    return UpstreamFailure(
        Outcome.BAD_REQUEST,
        InvalidArgument(field, message),
        elsewhere=False,
        blamed=False,
    )


def _parse(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return _plain(document.get("error", document) if isinstance(document, dict) else {})


def _plain(error: object) -> dict[str, Any]:
    """Its texts and numbers: what else it holds may be nested too deep to be repeated."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    return {k: v for k, v in fields.items() if isinstance(v, str | int | float)}


def _words(error: Mapping[str, Any], body: str) -> str:
    said = error.get("message") or body
    return " ".join(whole(str(said)).split())[:_SAID]


def _mend_key(upstream: UpstreamSettings) -> str:
    if upstream.key_variable:
        return f"set ${upstream.key_variable}"
    if upstream.api_key_file:
        return f"mend {upstream.api_key_file}"
    return "name one with api_key_variable or api_key_file in its settings"


def _retry_after(value: str | None) -> float:
    """Seconds that a ``Retry-After`` header asks for, which is a number or a date; 1 without one."""
    if not value:
        return 1.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return 1.0
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_SECONDS) if math.isfinite(seconds) else 1.0
