"""The gate before the gRPC front: key and limits. What describes the gateway stays open, as health does."""

from typing import Any, cast

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.conversation_pb2_grpc import ConversationServicer
from gateway.access import Access, Meter
from gateway.access.access import no_secrets
from gateway.fronts.grpc import Context, GrpcFront
from services.runtime.rpc import untraced

KEY_METADATA = "authorization"
"""Metadata that a key comes in: ``Bearer KEY``, as over HTTP."""


class GrpcGate(ConversationServicer):
    """Lets clients through to a front, or says why not.

    Args:
        front: holds the conversations.
        access: knows the keys.
    """

    def __init__(self, front: GrpcFront, access: Access) -> None:
        self._front = front
        self._access = access

    @untraced
    async def Converse(self, requests: Any, context: Any) -> None:  # type: ignore[override]
        """Hold one conversation, if the caller may.

        Raises:
            Unauthenticated: there is no key, or none that is known.
            PermissionDenied: it is a client secret, which is for Realtime.
            TooMuch: the key's limits are reached, now or later.
        """
        caller = self._access.bearer(_sent(context))
        no_secrets(caller)
        with self._access.conversation(caller) as meter:
            await self._front.Converse(
                requests, cast(Context, _Metered(context, meter))
            )

    async def Describe(
        self, request: pb.ConversationDescribeRequest, context: Any
    ) -> pb.ConversationDescribeResponse:
        """What this gateway is, and what stands behind it."""
        return await self._front.Describe(request, context)


class _Metered:
    """A context whose messages are counted as they are read; all else is the context's own."""

    def __init__(self, context: Any, meter: Meter) -> None:
        self._context = context
        self._meter = meter

    async def read(self) -> Any:
        message = await self._context.read()
        if isinstance(message, pb.ConverseRequest):
            self._meter.message(message.ByteSize())
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def _sent(context: Any) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == KEY_METADATA:
            return value if isinstance(value, str) else value.decode("ascii", "replace")
    return ""
