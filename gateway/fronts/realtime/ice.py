"""How clients of WebRTC find the gateway."""

from dataclasses import dataclass
from ipaddress import ip_address

from aiortc.rtcicetransport import parse_stun_turn_uri

from gateway.settings import GatewaySettings
from services.runtime.errors import FailedPrecondition


@dataclass(frozen=True, slots=True)
class Ice:
    """Where the gateway is reached, and who helps to find out.

    UDP ports are the system's choice; aiortc takes no range of them, a container's or namespace's own
    ``net.ipv4.ip_local_port_range`` does.

    Attributes:
        servers: one STUN and one TURN server at most, as ``stun:host:port`` and ``turn:host:port?transport=udp``. A server
            that does not answer holds each call up for 5 s.
        username: for the TURN server.
        password: likewise.
        address: under which the gateway is reached from outside; empty for its own.
    """

    servers: tuple[str, ...] = ()
    username: str = ""
    password: str = ""
    address: str = ""


def to_ice(settings: GatewaySettings) -> Ice:
    """What the settings say.

    Raises:
        FailedPrecondition: they name no servers, or no address.
    """
    servers = tuple(
        server.strip() for server in settings.ice_servers.split(",") if server.strip()
    )
    kinds: set[str] = set()
    for server in servers:
        try:
            kind = parse_stun_turn_uri(server)["scheme"].removesuffix("s")
        except ValueError:
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_ICE_SERVERS: {server!r} is neither stun:HOST:PORT nor turn:HOST:PORT"
            ) from None
        if kind in kinds:
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_ICE_SERVERS: names two {kind.upper()} servers; one is asked"
            )
        kinds.add(kind)
    if settings.ice_address:
        try:
            ip_address(settings.ice_address)
        except ValueError:
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_ICE_ADDRESS: {settings.ice_address!r} is no IP address"
            ) from None
    password = settings.ice_password
    return Ice(
        servers,
        settings.ice_username,
        password.get_secret_value() if password else "",
        settings.ice_address,
    )
