"""Keys, limits and TLS at the gRPC front, as the official client meets them."""

from pathlib import Path

import pytest

from antiphon.client import Address, Client, connect
from antiphon.v1 import conversation_pb2 as pb
from gateway.access.access import ANYONE
from gateway.access.secrets import Secrets
from services.runtime.errors import (
    PermissionDenied,
    TooMuch,
    Unauthenticated,
    Unavailable,
)
from services.runtime.keys import hashed
from tests.fakes.certificates import make
from tests.fakes.doors import doors
from tests.fakes.hearing import silence, speech
from tests.fakes.spans import recorded

KEY = "ak_kitchen"
KEYS = {"api_keys": f"kitchen:{hashed(KEY)}"}


async def talk(client: Client) -> list[str]:
    """Say something and hear the answer out; the kinds of what came."""
    kinds = []
    async with client.converse(pb.ConversationConfig()) as conversation:
        for _ in range(10):
            await conversation.send_audio(speech(0.05))
        for _ in range(20):
            await conversation.send_audio(silence(0.05))
        await conversation.finish()
        async for event in conversation:
            kinds.append(type(event).__name__)
    return kinds


async def test_a_known_key_holds_a_conversation() -> None:
    async with (
        doors(**KEYS) as open_doors,
        connect(Address(open_doors.grpc, KEY)) as client,
    ):
        kinds = await talk(client)
    assert "UserTranscript" in kinds
    assert kinds[-1] == "ConversationEnded"


async def test_a_conversation_behind_the_gate_has_no_span_that_lasts_as_long() -> None:
    with recorded() as spans:
        async with (
            doors(**KEYS) as open_doors,
            connect(Address(open_doors.grpc, KEY)) as client,
        ):
            await talk(client)
        await spans.all_ended()
    assert spans.named("conversation") and spans.named("turn")
    assert not [each.name for each in spans if each.name.endswith("/Converse")]


@pytest.mark.parametrize("key", ["", "ak_other", hashed(KEY)])
async def test_no_key_and_no_known_one_are_refused(key: str) -> None:
    async with (
        doors(**KEYS) as open_doors,
        connect(Address(open_doors.grpc, key)) as client,
    ):
        with pytest.raises(Unauthenticated) as refused:
            await talk(client)
        assert not key or key not in str(refused.value)
        assert open_doors.admission.open == 0


async def test_what_a_gateway_is_and_how_it_does_is_told_without_a_key() -> None:
    async with doors(**KEYS) as open_doors, connect(open_doors.grpc) as client:
        described = await client.describe()
        assert described.tts.voices[0].name == "scripted"
        with pytest.raises(Unauthenticated, match="a key is needed"):
            await talk(client)


async def test_an_expired_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: old, hash: "{hashed(KEY)}", expires: 2020-01-01}}')
    async with (
        doors(keys=str(path)) as open_doors,
        connect(Address(open_doors.grpc, KEY)) as client,
    ):
        with pytest.raises(Unauthenticated, match="expired"):
            await talk(client)


async def test_a_client_secret_opens_no_grpc_conversation() -> None:
    async with doors(secret="s" * 32) as open_doors:
        secret = Secrets("s" * 32).mint(ANYONE, {}, 60, now=4e9)
        async with connect(Address(open_doors.grpc, secret.value)) as client:
            with pytest.raises(PermissionDenied, match="Realtime"):
                await talk(client)


async def test_a_key_has_no_more_conversations_open_than_it_may() -> None:
    async with (
        doors(**KEYS, key_conversations=1) as open_doors,
        connect(Address(open_doors.grpc, KEY)) as client,
    ):
        async with client.converse() as first:
            with pytest.raises(TooMuch, match="may have 1") as refused:
                await talk(client)
            assert refused.value.retry_after == 1.0
            await first.finish()
            async for _ in first:
                pass
        assert "ConversationEnded" in await talk(client)


async def test_too_many_messages_a_second_end_the_conversation_with_the_reason() -> (
    None
):
    async with (
        doors(key_messages=10) as open_doors,
        connect(open_doors.grpc) as client,
        client.converse() as conversation,
    ):
        with pytest.raises(TooMuch, match="10 messages a second"):
            for _ in range(1000):
                await conversation.send_audio(silence(0.02))
            async for _ in conversation:
                pass


async def test_with_a_certificate_the_port_speaks_tls_alone(tmp_path: Path) -> None:
    pair = make(tmp_path)
    async with doors(tls_cert=str(pair.cert), tls_key=str(pair.key)) as open_doors:
        here = Address(open_doors.grpc, tls=True, roots=pair.cert.read_bytes())
        async with connect(here) as client:
            assert (await talk(client))[-1] == "ConversationEnded"
        async with connect(open_doors.grpc) as client:
            with pytest.raises(Unavailable):
                await client.describe(answer_within=5)
        async with connect(Address(open_doors.grpc, tls=True)) as client:
            with pytest.raises(Unavailable):
                await client.describe(answer_within=5)
