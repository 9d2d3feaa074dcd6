"""A Realtime session: how it opens, changes, and ends."""

from tests.fakes.running_realtime import Client, RunningRealtime, connected


async def test_a_session_opens_with_everything_that_is_in_force(
    gateway: RunningRealtime,
) -> None:
    async with connected(gateway, "?model=default") as client:
        session = await client.update(instructions="Be brief.")
        assert session["object"] == "realtime.session"
        assert session["id"].startswith("sess_")
        assert session["instructions"] == "Be brief."
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"


async def test_an_error_names_the_event_that_caused_it(client: Client) -> None:
    await client.send("no.such.event", event_id="mine")
    error = await client.error()
    assert error["event_id"] == "mine" and error["code"] == "unknown_event"
