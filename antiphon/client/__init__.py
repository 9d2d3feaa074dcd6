"""A typed asyncio client of the gateway's conversation.

    async with connect("127.0.0.1:50050") as client:
        async with client.converse(ConversationConfig(interim_transcripts=True)) as conversation:
            await conversation.send_audio(samples)
            await conversation.finish()
            async for event in conversation:
                match event:
                    case ReplyText(text=text):
                        print(text, end="")

Events are the contract's own messages (``antiphon/v1/conversation.proto``); errors are those of
`services.runtime.errors`, whichever side of the wire they began on.
"""

from antiphon.client.connection import Address, Client, connect
from antiphon.client.conversation import Conversation, Event

__all__ = ["Address", "Client", "Conversation", "Event", "connect"]
