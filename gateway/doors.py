"""Where clients come in: the fronts, what stands before them, and the ports that they have."""

import grpc

from antiphon.v1.conversation_pb2_grpc import add_ConversationServicer_to_server
from gateway.access import Access
from gateway.access.origins import Origins
from gateway.access.tls import load_certificate
from gateway.fronts.docs import Docs
from gateway.fronts.gate import Gate
from gateway.fronts.grpc import GrpcFront
from gateway.fronts.grpc_gate import GrpcGate
from gateway.fronts.health import Health
from gateway.fronts.http import HttpFront, Part
from gateway.fronts.openai.neighbours import Neighbours
from gateway.fronts.page import Page
from gateway.fronts.realtime.calls import Calls
from gateway.fronts.realtime.secrets import ClientSecrets
from gateway.fronts.realtime.websocket import RealtimeWebSocket
from gateway.hearing.voice import VoiceActivity
from gateway.sessions import Sessions
from services.runtime.admission import Admission
from services.runtime.server import cannot_listen


class Doors:
    """All fronts of one gateway.

    Args:
        sessions: opens conversations.
        voice: tells where in a recording somebody speaks.
        admission: counts conversations.

    Attributes:
        credentials: of the certificate, for the gRPC port; None for no TLS.

    Raises:
        FailedPrecondition: keys, origins, the certificate or WebRTC's servers are not as they must be; the message says what
            to set.
    """

    def __init__(
        self, sessions: Sessions, voice: VoiceActivity, admission: Admission
    ) -> None:
        self._settings = settings = sessions.settings
        certificate = load_certificate(settings)
        access = Access(settings)
        origins = Origins(settings.origins, by_name=not access.open)
        self.credentials = certificate.credentials if certificate else None
        self._grpc = GrpcGate(GrpcFront(sessions, admission), access)
        self._neighbours = Neighbours(sessions.stages, settings, voice)
        self._calls = Calls(sessions, access, admission)
        parts: list[Part] = [
            RealtimeWebSocket(sessions, access, admission),
            self._calls,
            ClientSecrets(sessions, access),
            self._neighbours,
            Health(sessions.stages, admission),
        ]
        self._gate = Gate(access, origins, admission, settings.http_streams)
        self._http = HttpFront(
            [*parts, Docs(parts), Page()],
            self._gate,
            certificate.context if certificate else None,
        )

    def register(self, server: grpc.aio.Server) -> None:
        """Add the gRPC front to a server."""
        add_ConversationServicer_to_server(self._grpc, server)

    async def open(self) -> int:
        """Listen for HTTP; returns the port.

        Raises:
            OSError: it is taken.
        """
        settings = self._settings
        try:
            return await self._http.start(settings.host, settings.http_port)
        except OSError as error:
            raise cannot_listen(settings, "http_port", error) from None

    async def idle(self) -> None:
        """Wait until no request over HTTP is worked on."""
        await self._gate.idle()

    async def close(self) -> None:
        """Let nobody in any more; requests in progress get a few seconds."""
        await self._http.stop()
        await self._calls.close()
        await self._neighbours.close()
