"""Asks Antiphon one question in writing, and prints the answer while it is spoken."""

import grpc

from antiphon.v1.conversation_pb2 import ConverseRequest
from antiphon.v1.conversation_pb2_grpc import ConversationStub

gateway = ConversationStub(grpc.insecure_channel("localhost:50050"))
question = {"text": "What do bees make?", "respond": True}
said = [ConverseRequest(config={}), ConverseRequest(text=question)]
for event in gateway.Converse(iter(said)):
    print(event.reply_text.text, end="", flush=True)
print()
