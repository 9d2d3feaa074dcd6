"""Any server that speaks OpenAI's chat completions: Hugging Face's router, Cerebras, vLLM, llama.cpp."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any, cast

import httpx2
from huggingface_hub import AsyncInferenceClient, ChatCompletionStreamOutput
from huggingface_hub.errors import InferenceTimeoutError, TextGenerationError

from services.llm.prompt import Prompt
from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Delta, Finish, Outcome, UpstreamFailure, failures
from services.llm.upstreams.http import KeptClient, Rejected, was_kept
from services.llm.upstreams.reply import ReplyReader
from services.llm.upstreams.slots import Slots
from services.runtime import telemetry
from services.runtime.errors import Full

ROUTER = "https://router.huggingface.co/v1"
"""Hugging Face's router; it takes ``model:provider`` for a model."""
AFTER_FINISH_SECONDS = 1.0
"""How long a finished reply waits for its token counts."""
_NO_KEY = "none"
"""Keeps the library from looking for a token of its own; `KeptClient` leaves it out of the request."""

Chunks = AsyncIterator[ChatCompletionStreamOutput]


class OpenAICompatible:
    """One such server; its connections are kept open between requests."""

    def __init__(self, settings: UpstreamSettings) -> None:
        """Open nothing yet.

        Raises:
            FailedPrecondition: the key that the settings name cannot be had.
        """
        self.settings = settings
        self._key = settings.read_key()
        self._base_url = (settings.base_url or ROUTER).rstrip("/")
        self._model = settings.model
        if settings.provider:
            self._model = f"{settings.model}:{settings.provider}"
        self._http = KeptClient(settings.connect_timeout, self._key is not None)
        self._slots = Slots(settings.slots)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Write the reply; see `Upstream.generate`."""
        place: AbstractContextManager[int | None] = nullcontext()
        if self.settings.slots:
            place = self._slots.generating(prompt.conversation)
        try:
            with place as slot:
                request = self._request(prompt, slot)
                async with aclosing(self._reply(request)) as deltas:
                    async for delta in deltas:
                        yield delta
        except Full as full:
            raise UpstreamFailure(Outcome.RATE_LIMITED, full) from None

    async def prepare(self, prompt: Prompt) -> int | None:
        """Have the server read the prompt into its conversation's slot; see `Upstream.prepare`.

        A slot keeps the common beginning of what lies in it and what it is sent next, so the end that the chat
        template puts after the last message does no harm.
        """
        if not self.settings.slots or not prompt.conversation:
            return None
        try:
            async with asyncio.timeout(None) as limit:
                with self._slots.preparing(prompt.conversation, limit) as slot:
                    if slot is None:
                        return None
                    request = {**self._request(prompt, slot), "max_tokens": 0}
                    async with aclosing(self._reply(request, patient=True)) as deltas:
                        async for delta in deltas:
                            if isinstance(delta, Finish):
                                return delta.usage.prompt
        except TimeoutError:
            pass  # a reply of another conversation needed the slot
        return None

    async def warm(self) -> None:
        """Open a connection, and see whether the key is good; see `Upstream.warm`."""
        headers = {}
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key.get_secret_value()}"
        try:
            await self._http.get(f"{self._base_url}/models", headers=headers)
        except Rejected as rejected:
            failure = self._from_rejected(rejected)
            if failure.outcome is not Outcome.NOT_FOUND:  # not all servers list models
                raise failure from None
        except httpx2.TransportError as error:
            raise failures.unreachable(self.settings, _why(error)) from None
        except httpx2.RequestError as error:
            raise failures.bad_response(self.settings, _why(error)) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def _request(self, prompt: Prompt, slot: int | None) -> dict[str, Any]:
        """Arguments of the library's ``chat_completion``.

        ``return_progress`` has llama.cpp report after each batch of the prompt that it has read; only then does it
        notice in the middle of a prompt that nobody waits for the reply any more.
        """
        affinity: dict[str, Any] = {}
        if slot is not None:
            affinity = {"id_slot": slot, "cache_prompt": True, "return_progress": True}
        return {
            "messages": prompt.messages,
            "model": self._model,
            "tools": prompt.tools or None,
            "tool_choice": prompt.tool_choice,
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_body": {**self.settings.extra_body, **affinity},
            **prompt.sampling,
        }

    async def _reply(
        self, request: dict[str, Any], patient: bool = False
    ) -> AsyncGenerator[Delta, None]:
        """Send a request and read the reply to its end.

        Args:
            request: see `_request`.
            patient: whether any sign of life will do for a first token.
        """
        loop = asyncio.get_running_loop()
        limits = self.settings
        reader = ReplyReader()
        deadline = loop.time() + limits.first_token_timeout
        self._http.use()
        async with AsyncInferenceClient(
            base_url=self._base_url,
            api_key=self._key.get_secret_value() if self._key else _NO_KEY,
            headers=dict(telemetry.inject()),
        ) as client:
            chunks = await self._open(client, request, deadline)
            while (deltas := await self._next(chunks, deadline, reader)) is not None:
                for delta in deltas:
                    yield delta
                if reader.finished:
                    deadline = loop.time() + AFTER_FINISH_SECONDS
                elif reader.begun:
                    deadline = loop.time() + limits.between_tokens_timeout
                elif patient:
                    deadline = loop.time() + limits.first_token_timeout
            if not reader.finished:
                raise failures.bad_response(limits, "the reply ended in the middle")
            yield reader.end()

    async def _open(
        self, client: AsyncInferenceClient, request: dict[str, Any], deadline: float
    ) -> Chunks:
        """Send the request; once more for each kept connection that turns out to be closed."""
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    try:
                        return cast(Chunks, await client.chat_completion(**request))
                    except httpx2.TransportError as error:
                        if not was_kept(error):
                            raise
        except Rejected as rejected:
            raise self._from_rejected(rejected) from None
        except (httpx2.ConnectError, InferenceTimeoutError) as error:
            # The library's timeouts are ours for connecting; it has no others.
            raise failures.unreachable(self.settings, _why(error)) from None
        except httpx2.RequestError as error:
            raise failures.broken_off(self.settings, _why(error)) from None
        except TimeoutError:
            raise self._too_late(begun=False) from None

    async def _next(
        self, chunks: Chunks, deadline: float, reader: ReplyReader
    ) -> list[Delta] | None:
        """The next chunk's deltas, or None at the end. A finished reply cannot fail any more."""
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await anext(chunks, None)
            return None if chunk is None else list(reader.read(chunk))
        except TimeoutError:
            failure = self._too_late(reader.begun)
        except httpx2.TransportError as error:
            failure = failures.broken_off(self.settings, _why(error))
        except TextGenerationError as error:
            failure = failures.from_error(self.settings, *error.args[:1])
        except Exception as error:  # noqa: BLE001
            # Decoders and the library's parser say in many ways that bytes are no chunk of a chat completion: not
            # compressed, not of that charset, no JSON, nested too deep, or of other types.
            failure = failures.bad_response(
                self.settings, f"sent what is no chunk of a reply ({_why(error)})"
            )
        if reader.finished:
            return None
        raise failure

    def _too_late(self, begun: bool) -> UpstreamFailure:
        if begun:
            return failures.timed_out(
                self.settings, "no next token", self.settings.between_tokens_timeout
            )
        return failures.timed_out(
            self.settings, "no first token", self.settings.first_token_timeout
        )

    def _from_rejected(self, rejected: Rejected) -> UpstreamFailure:
        return failures.from_status(
            self.settings, rejected.status, rejected.headers, rejected.body
        )


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
