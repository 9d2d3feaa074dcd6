"""The connection to a gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway is, and how it lets one in.

    Attributes:
        target: ``host:port``, or any name that gRPC resolves.
        key: API key; empty where none is asked for. Without TLS, whoever listens on the way there can read it.
        tls: whether to encrypt, and check the gateway's certificate.
        roots: PEM certificates of who may have signed it; None for those that gRPC trusts.
    """

    target: str
    key: str = field(default="", repr=False)
    tls: bool = False
    roots: bytes | None = None

    def __str__(self) -> str:
        return self.target

    def open_channel(self) -> grpc.aio.Channel:
        """A channel there."""
        credentials = grpc.ssl_channel_credentials(self.roots) if self.tls else None
        return open_channel(self.target, credentials=credentials)


class Client:
    """A gateway to talk to. Made by `connect`.

    Attributes:
        target: where it is, ``host:port``.
    """

    def __init__(self, address: Address, channel: grpc.aio.Channel) -> None:
        self.target = address.target
        self._key = address.key
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
            self._stub,
            config or ConversationConfig(),
            self._peer,
            answer_within,
            self._key,
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
async def connect(address: Address | str) -> AsyncIterator[Client]:
    """A client of the gateway at an address; a ``host:port`` alone is one without key and TLS.

    Nothing is sent yet: whether anybody is there shows in the first call.
    """
    if isinstance(address, str):
        address = Address(address)
    async with address.open_channel() as channel:
        yield Client(address, channel)
