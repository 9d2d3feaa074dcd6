"""``antiphon describe``: what a gateway can do, for people."""

from rich.table import Table
from rich.text import Text

from antiphon.client import Address, connect
from antiphon.v1.conversation_pb2 import ConversationDescribeResponse
from antiphon.v1.stage_pb2 import Capacity, EngineInfo

_AWAY = Text("cannot be reached", style="red")


async def describe_gateway(target: Address | str) -> ConversationDescribeResponse:
    """Ask a gateway.

    Raises:
        AntiphonError: it did not answer.
    """
    async with connect(target) as client:
        return await client.describe()


def render(description: ConversationDescribeResponse) -> Table:
    """One row for each thing worth knowing."""
    table = Table.grid(padding=(0, 2))
    stt, llm, tts = description.stt, description.llm, description.tts
    table.add_row("conversations", _capacity(description.capacity))
    if description.HasField("stt"):
        table.add_row("speech to text", _engine(stt.engine), _capacity(stt.capacity))
        table.add_row("  languages", ", ".join(stt.languages))
    else:
        table.add_row("speech to text", _AWAY)
    if description.HasField("llm"):
        table.add_row("language model", "", _capacity(llm.capacity))
        for alias in llm.models:
            can = [
                name
                for name, able in (("pictures", alias.images), ("tools", alias.tools))
                if able
            ]
            where = f"{alias.model} at {', '.join(alias.upstreams)}"
            table.add_row(f"  {alias.name}", where, ", ".join(can))
    else:
        table.add_row("language model", _AWAY)
    if description.HasField("tts"):
        table.add_row("text to speech", _engine(tts.engine), _capacity(tts.capacity))
        for voice in tts.voices:
            languages = ", ".join(voice.languages)
            table.add_row(f"  {voice.name}", voice.description, languages)
    else:
        table.add_row("text to speech", _AWAY)
    return table


def _engine(engine: EngineInfo) -> str:
    return f"{engine.engine}: {engine.model}"


def _capacity(capacity: Capacity) -> str:
    return f"{capacity.open} of {capacity.streams} in use"
