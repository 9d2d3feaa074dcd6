"""The connection to a gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from antiphon.client.conversation import Conversation
from antiphon.v1.conversation_pb2 import (
    ConversationConfig,
    ConversationDescribeRequest,
    ConversationDescribeResponse,
)
from antiphon.v1.conversation_pb2_grpc import ConversationStub
from services.runtime.channel import open_channel
from services.runtime.errors import from_rpc_error

ANSWER_SECONDS = 10.0
"""How long a gateway may take to answer at all, the making of the connection included."""


class Client:
    """A gateway to talk to. Made by `connect`.

    Attributes:
        target: where it is, ``host:port``.
    """

    def __init__(self, target: str, channel: grpc.aio.Channel) -> None:
        self.target = target
        self._stub = ConversationStub(channel)

    def converse(
        self,
        config: ConversationConfig | None = None,
        answer_within: float = ANSWER_SECONDS,
    ) -> Conversation:
        """A conversation, to be entered with ``async with``; it is open when that returns.

        Args:
            config: how to hold it; the gateway fills in the defaults.
            answer_within: seconds for the gateway to accept it.
        """
        return Conversation(
            self._stub, config or ConversationConfig(), self._peer, answer_within
        )

    async def describe(
        self, answer_within: float = ANSWER_SECONDS
    ) -> ConversationDescribeResponse:
        """What the gateway is and what stands behind it.

        Args:
            answer_within: seconds for the gateway to answer.

        Raises:
            Unavailable: nobody answers there.
            AntiphonError: the gateway refused.
        """
        try:
            return await self._stub.Describe(
                ConversationDescribeRequest(), timeout=answer_within
            )
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None

    @property
    def _peer(self) -> str:
        return f"gateway at {self.target}"


@asynccontextmanager
async def connect(target: str) -> AsyncIterator[Client]:
    """A client of the gateway at ``target`` (``host:port``, or any name that gRPC resolves).

    Nothing is sent yet: whether anybody is there shows in the first call.
    """
    async with open_channel(target) as channel:
        yield Client(target, channel)
