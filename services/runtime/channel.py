"""Client channels to our own services, with limits and keepalive that agree with the servers'."""

import json

import grpc

from services.runtime.server import KEEPALIVE_SECONDS

RESOLVE_SECONDS = 2.0
"""Between two questions to the name server: servers that end old connections (`services.runtime.server`) make us ask."""

PONG_SECONDS = 10.0
"""For the answer to a ping, before a server counts as gone."""

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ""},
}


def open_channel(
    target: str,
    max_message_bytes: int = 4 * 1024 * 1024,
    credentials: grpc.ChannelCredentials | None = None,
) -> grpc.aio.Channel:
    """A channel to all replicas behind ``target``, each RPC to the next healthy one.

    Args:
        target: where they are.
        max_message_bytes: the largest message, either way.
        credentials: for TLS; None for none.
    """
    options = (
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", int(PONG_SECONDS * 1000)),
        # The first call that runs out of time sends a ping of its own. While that one is under way there is none to keep a
        # connection alive, and gRPC would wait a minute for its answer.
        ("grpc.http2.ping_timeout_ms", int(PONG_SECONDS * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.dns_min_time_between_resolutions_ms", int(RESOLVE_SECONDS * 1000)),
        # Channels to one address would share a connection and its health check, and where two begin to check at the same
        # time, one may use what the other has not made yet: the process ends with a segmentation fault (grpc 1.85).
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    )
    if credentials is not None:
        return grpc.aio.secure_channel(target, credentials, options=options)
    return grpc.aio.insecure_channel(target, options=options)
