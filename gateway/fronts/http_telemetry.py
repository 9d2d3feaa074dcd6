"""HTTP requests as spans and measurements: those to what stands under ``/v1/``, conversations aside.

A conversation that comes over HTTP has its own spans, below that of whoever opened it; the page's files and what probes ask
tell nobody anything.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from gateway.fronts.openai.errors import Handler, shape
from services.runtime.errors import AntiphonError
from services.runtime.telemetry import labels, metrics, names, tracing

OFFERED = "/v1/"
CONVERSATION = "/v1/realtime"
"""Where a WebSocket is opened, which stays for as long as somebody talks."""

OTHER = "other"
"""What metrics call all paths that there are not, and methods that a path does not take."""

REQUEST_ID = "X-Request-Id"
"""Header of an answer that names its trace; OpenAI's clients show it."""

LEFT = 499
"""Status for nobody: whoever asked has left."""

_BEGUN = 200
"""Status of every answer that is sent bit by bit."""

_TRACE = web.RequestKey("trace", str)
_BROKEN_OFF = web.RequestKey("broken_off", AntiphonError)


def install(application: web.Application) -> None:
    """Watch an application's requests, from outside of its other middleware."""
    application.middlewares.insert(0, _watch)
    application.on_response_prepare.append(_add_id)


def broke_off(request: web.Request, error: AntiphonError) -> None:
    """The answer had begun and will not come to its end: its status says that all went well, and nothing else would tell."""
    request[_BROKEN_OFF] = error


@web.middleware
async def _watch(request: web.Request, handler: Handler) -> web.StreamResponse:
    route = _route(request)
    if route is None:
        return await handler(request)
    if route == CONVERSATION:
        with tracing.within(_caller(request)):
            return await handler(request)
    started = time.perf_counter()
    status = LEFT
    with _span(request, route) as span:
        context = span.get_span_context()
        if context.is_valid:
            request[_TRACE] = trace.format_trace_id(context.trace_id)
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as redirected:
            status = redirected.status
            raise
        finally:
            broken = request.get(_BROKEN_OFF)
            # Whose connection is cut here is taken to have left.
            _tell(span, status if broken is None else _BEGUN, broken)
            counted = status if broken is None else shape(broken).status
            metrics.HTTP_REQUESTS.labels(route, _code(counted)).observe(
                time.perf_counter() - started, tracing.exemplar(span)
            )


def _route(request: web.Request) -> str | None:
    """The pattern of the path that answers; `OTHER` where none does, None for what nobody wants to know of."""
    resource = request.match_info.route.resource
    if resource is None:
        return OTHER
    pattern: str = resource.canonical
    return pattern if pattern.startswith(OFFERED) else None


@contextmanager
def _span(request: web.Request, route: str) -> Iterator[Span]:
    """The request's span, below the span of whoever asks; none for what is not there, of which anybody can ask anything."""
    if route == OTHER:
        yield trace.INVALID_SPAN
        return
    with tracing.tracer.start_as_current_span(
        names.HTTP_SPAN.format(method=request.method, route=route),
        _caller(request),
        SpanKind.SERVER,
        {
            names.HTTP_METHOD: request.method,
            names.HTTP_ROUTE: route,
            names.URL_SCHEME: request.scheme,
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def _caller(request: web.Request) -> Context:
    """The trace that a request brings."""
    parent = request.headers.get(tracing.PARENT)
    return tracing.extract([(tracing.PARENT, parent)] if parent is not None else [])


def _tell(span: Span, status: int, broken: AntiphonError | None) -> None:
    span.set_attribute(names.HTTP_STATUS_CODE, status)
    if broken is not None:
        tracing.fail(span, broken.code.name)
    elif status >= 500:
        tracing.fail(span, str(status))


def _code(status: int) -> str:
    """A status as the metric has it: of a closed set."""
    code = str(status)
    return code if code in labels.HTTP_CODES else f"{code[0]}xx"


async def _add_id(request: web.Request, response: web.StreamResponse) -> None:
    if (id := request.get(_TRACE)) is not None:
        response.headers[REQUEST_ID] = id
