"""The life of a service's process: settings, logs, server, warm-up, SERVING, drain, end. Once, for all services."""

import asyncio
import os
import platform
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime import logs
from services.runtime.admission import Admission
from services.runtime.errors import AntiphonError, FailedPrecondition
from services.runtime.onnx import forbid_reports
from services.runtime.rpc import NO_ERRORS, ContractInterceptor
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import (
    budgets,
    exposition,
    labels,
    lag,
    metrics,
    tracing,
)

log = logs.get_logger(__name__)

KEEPALIVE_SECONDS = 20
"""Clients ping at this pace (`services.runtime.channel`); servers allow twice as often."""


NOTICE_SECONDS = 0.5
"""For clients that watch our health to hear that we leave: whoever calls a server that is just closing is told CANCELLED."""
LAST_MESSAGES_SECONDS = 1.0
"""For last messages on their way, and for whoever is told why there will be no more."""
LOADING_GRACE_SECONDS = 2.0
"""For a process to end that is told to while it loads."""


class Service(ABC):
    """One gRPC service of ours.

    Attributes:
        name: what it is called in settings, logs and metrics.
        full_names: names of the gRPC services that it offers, as health and reflection list them.
        admission: set by the runtime before `start`.
    """

    name: ClassVar[str]
    full_names: ClassVar[tuple[str, ...]]
    admission: Admission

    @cached_property
    def lost(self) -> asyncio.Event:
        """Set by the service when it can do no more work: the process drains, and leaves with status 1."""
        return asyncio.Event()

    @property
    def pages(self) -> Mapping[str, exposition.Page]:
        """JSON documents by path, for the metrics port. Asked for once; whoever makes them may be asked before `start`."""
        return {}

    @property
    def credentials(self) -> grpc.ServerCredentials | None:
        """What its port shows to clients; None for no TLS.

        Raises:
            AntiphonError: it cannot be had; the message says what to do.
        """
        return None

    @abstractmethod
    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicers to the server."""

    @abstractmethod
    async def start(self) -> None:
        """Load and warm everything; the service is SERVING when this returns.

        Raises:
            AntiphonError: it cannot work; the message says what to do.
        """

    async def drain(self) -> None:  # noqa: B027  # most services have nothing to say to their clients
        """Tell long-lived clients to leave; new streams are refused already."""

    async def idle(self) -> None:
        """Wait until all work is done; none is begun any more."""
        await self.admission.idle()

    def cut_off(self) -> None:  # noqa: B027  # most services have nothing to say to their clients
        """Tell those who are still here that they are not waited for any longer."""

    @abstractmethod
    async def stop(self) -> None:
        """Free everything; no RPC runs any more."""


def run(service: Service, settings: ServiceSettings) -> None:
    """Run a service until it is told to stop; leaves with status 1 if it cannot start, or cannot go on."""
    logs.configure(settings)
    forbid_reports()
    try:
        asyncio.run(_serve(service, settings))
        if service.lost.is_set():
            sys.exit(1)
    except (AntiphonError, OSError) as error:
        log.error("cannot start", reason=str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


async def _serve(service: Service, settings: ServiceSettings) -> None:
    async with lag.watched():
        await _live(service, settings)


async def _live(service: Service, settings: ServiceSettings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    provider = tracing.configure(service.name)
    try:
        metrics_server, metrics_thread = exposition.serve(
            settings.metrics_port, settings.host, service.pages
        )
    except OSError as error:
        raise cannot_listen(settings, "metrics_port", error) from None
    _introduce(service)
    service.admission = Admission(settings.max_streams)
    server = create_server(settings, service.admission)
    healthy = health.aio.HealthServicer()
    await _set_health(healthy, service, serving=False)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    reflection.enable_server_reflection(
        (*service.full_names, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    service.register(server)
    port = bind(server, settings, service.credentials)
    await server.start()
    log.info("loading", port=port, metrics_port=metrics_server.server_port)
    _compare_budgets()
    try:
        starting = asyncio.create_task(service.start())
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            _leave_soon()
            starting.cancel()
            await asyncio.wait({starting})
        else:
            await starting
            await _set_health(healthy, service, serving=True)
            log.info("serving", port=port)
            lost = asyncio.create_task(service.lost.wait())
            await asyncio.wait({stopped, lost}, return_when=asyncio.FIRST_COMPLETED)
            lost.cancel()
            stopping.set()
        await stopped
        await _leave(service, settings, server, healthy)
    finally:
        # Where it cannot start, for those who ask how it does; gRPC would write a traceback for each.
        await server.stop(LAST_MESSAGES_SECONDS)
        await service.stop()
        metrics_server.shutdown()
        metrics_thread.join()
        if provider is not None:
            await asyncio.to_thread(provider.shutdown)
    log.info("stopped")


async def _leave(
    service: Service,
    settings: ServiceSettings,
    server: grpc.aio.Server,
    healthy: health.aio.HealthServicer,
) -> None:
    """Let nobody in any more, and wait for those who are here."""
    log.info("draining", open=service.admission.open, seconds=settings.drain_seconds)
    service.admission.drain()
    await healthy.enter_graceful_shutdown()
    await service.drain()
    await asyncio.sleep(NOTICE_SECONDS)
    # From here on clients are sent away (GOAWAY), and nobody can connect. Whoever only watches our health is not waited for.
    grace = settings.drain_seconds + LAST_MESSAGES_SECONDS
    closing = asyncio.create_task(server.stop(grace))
    try:
        async with asyncio.timeout(settings.drain_seconds):
            await service.idle()
    except TimeoutError:
        log.warning("cutting off what is still open", open=service.admission.open)
        service.cut_off()
    finally:
        await server.stop(LAST_MESSAGES_SECONDS)
        await closing


def _introduce(service: Service) -> None:
    """Have what this process is, and all that it may count of its RPCs, among the metrics."""
    metrics.BUILD_INFO.labels(
        service.name, tracing.VERSION, platform.python_version()
    ).set(1)
    pool = descriptor_pool.Default()
    for full_name in service.full_names:
        methods = pool.FindServiceByName(full_name).methods_by_name
        errors = [code.name for code in grpc.StatusCode if code not in NO_ERRORS]
        labels.at_zero(metrics.ERRORS, method=methods, code=errors)


def _compare_budgets() -> None:
    """Say so where histograms cannot have the edges that the gateway's have; it would not have started."""
    try:
        budgets.load()
    except FailedPrecondition as error:
        log.warning("histograms have edges of the shipped budgets", reason=str(error))


def _leave_soon() -> None:
    """End the process even if threads are busy.

    Loading a model, and downloading one for minutes, cannot be interrupted and would be waited for. Nothing is lost:
    what has come of a download stays.
    """
    leave = threading.Timer(LOADING_GRACE_SECONDS, os._exit, (0,))
    leave.daemon = True
    leave.start()


def create_server(settings: ServiceSettings, admission: Admission) -> grpc.aio.Server:
    """A gRPC server with the limits of the contract.

    Clients look for replicas only when a connection ends. So each is ended when it is old enough: gRPC lets the calls on
    it go on for as long as they last, and takes none in any more (its age varies by a tenth, so that not all end at once).
    """
    age: tuple[tuple[str, int], ...] = ()
    if settings.connection_age:
        age = (("grpc.max_connection_age_ms", int(settings.connection_age * 1000)),)
    return grpc.aio.server(
        interceptors=(ContractInterceptor(admission),),
        options=(
            *age,
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", settings.max_message_bytes),
            ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 500),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.so_reuseport", 0),
        ),
    )


def bind(
    server: grpc.aio.Server,
    settings: ServiceSettings,
    credentials: grpc.ServerCredentials | None = None,
) -> int:
    """Take the port that the settings name.

    Args:
        server: to listen there.
        settings: with the host and the port.
        credentials: for TLS; None for none.

    Returns:
        The port, also where the settings left the choice open.

    Raises:
        OSError: it is taken.
    """
    address = f"{_bracketed(settings.host)}:{settings.port}"
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError:
        raise cannot_listen(settings, "port") from None


def cannot_listen(
    settings: ServiceSettings, name: str, error: OSError | None = None
) -> OSError:
    """What to say where a port cannot be had.

    Args:
        settings: with the host and the port.
        name: of the port's setting.
        error: what the system said, where it said something.
    """
    prefix = settings.model_config.get("env_prefix", "")
    reason = f" ({error.strerror})" if error and error.strerror else ""
    return OSError(
        f"cannot listen on {_bracketed(settings.host)}:{getattr(settings, name)}{reason}: stop what holds the port, "
        f"or set {prefix}{name.upper()} or {prefix}HOST"
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _set_health(
    healthy: health.aio.HealthServicer, service: Service, serving: bool
) -> None:
    status = (
        health_pb2.HealthCheckResponse.SERVING
        if serving
        else health_pb2.HealthCheckResponse.NOT_SERVING
    )
    for name in ("", *service.full_names):
        await healthy.set(name, status)
