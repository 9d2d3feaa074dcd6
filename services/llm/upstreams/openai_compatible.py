"""Any server that speaks OpenAI's chat completions: Hugging Face's router, Cerebras, vLLM, llama.cpp."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import (
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    nullcontext,
)
from typing import Any, cast

import httpx2
from huggingface_hub import AsyncInferenceClient, ChatCompletionStreamOutput
from huggingface_hub.errors import InferenceTimeoutError, TextGenerationError

from services.llm.patience import Patience
from services.llm.prompt import Prompt
from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Delta, Finish, Outcome, UpstreamFailure, failures
from services.llm.upstreams.http import KeptClient, Rejected, was_kept
from services.llm.upstreams.providers import NO_KEY, Address, Provider, Way
from services.llm.upstreams.reply import ReplyReader
from services.llm.upstreams.slots import Slots
from services.runtime.errors import Full
from services.runtime.telemetry import tracing

AFTER_FINISH_SECONDS = 1.0
"""How long a finished reply waits for its token counts."""

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
        self._target = (Provider if settings.provider else Address)(settings, self._key)
        self._http = KeptClient(settings.connect_timeout, self._key is not None)
        self._slots = Slots(settings.slots)

    async def generate(
        self, prompt: Prompt, patience: Patience
    ) -> AsyncGenerator[Delta, None]:
        """Write the reply; see `Upstream.generate`."""
        place: AbstractContextManager[int | None] = nullcontext()
        if self.settings.slots:
            place = self._slots.generating(prompt.conversation)
        try:
            with place as slot:
                request = self._request(prompt, slot)
                async with aclosing(self._reply(request, patience)) as deltas:
                    async for delta in deltas:
                        yield delta
        except Full as full:
            # We know of our own slots without asking: no reason to leave the upstream alone.
            raise UpstreamFailure(Outcome.RATE_LIMITED, full, blamed=False) from None

    async def prepare(self, prompt: Prompt) -> int | None:
        """Have the server read the prompt into its conversation's slot; see `Upstream.prepare`.

        A slot keeps the common beginning of what lies in it and what it is sent next, so the end that the chat
        template puts after the last message does no harm.
        """
        limits = self.settings
        if not limits.slots or not prompt.conversation:
            return None
        patience = Patience(limits.first_token_timeout, limits.between_tokens_timeout)
        try:
            async with asyncio.timeout(None) as limit:
                with self._slots.preparing(prompt.conversation, limit) as slot:
                    if slot is None:
                        return None
                    request = {**self._request(prompt, slot), "max_tokens": 0}
                    async with aclosing(
                        self._reply(request, patience, any_sign=True)
                    ) as deltas:
                        async for delta in deltas:
                            if isinstance(delta, Finish):
                                return delta.usage.prompt
        except TimeoutError:
            pass  # a reply of another conversation needed the slot
        return None

    async def warm(self) -> None:
        """Find the way, open a connection, and see whether the key is good; see `Upstream.warm`."""
        way = await self._target.look_up()
        headers = {}
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key.get_secret_value()}"
        try:
            await self._http.get(f"{way.root}/models", headers=headers)
        except Rejected as rejected:
            failure = failures.from_status(
                self.settings, rejected.status, rejected.headers, rejected.body
            )
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
            "tools": prompt.tools or None,
            "tool_choice": prompt.tool_choice,
            "stream": True,
            "stream_options": {"include_usage": True},
            "extra_body": {
                **self.settings.extra_body,
                **prompt.extra_body,
                **affinity,
            },
            **prompt.sampling,
        }

    async def _reply(
        self, request: dict[str, Any], patience: Patience, any_sign: bool = False
    ) -> AsyncGenerator[Delta, None]:
        """Send a request and read the reply to its end.

        Args:
            request: see `_request`.
            patience: how long it may be silent.
            any_sign: whether any sign of life will do for a first token.
        """
        loop = asyncio.get_running_loop()
        reader = ReplyReader()
        exchange = _Exchange(self.settings, request, patience, reader)
        deadline = loop.time() + patience.first_token
        async with exchange.until(deadline):
            way = await self._target.way()
        self._http.use()
        async with AsyncInferenceClient(
            **way.client,
            api_key=self._key.get_secret_value() if self._key else NO_KEY,
            headers=dict(tracing.inject()),
        ) as client:
            chunks = await exchange.open(client, way, deadline)
            while (deltas := await exchange.next(chunks, deadline)) is not None:
                for delta in deltas:
                    yield delta
                if reader.finished:
                    deadline = loop.time() + AFTER_FINISH_SECONDS
                elif reader.begun:
                    deadline = loop.time() + patience.between_tokens
                elif any_sign:
                    deadline = loop.time() + patience.first_token
            if not reader.finished:
                raise failures.bad_response(
                    self.settings, "the reply ended in the middle"
                )
            yield reader.end()


class _Exchange:
    """One request and its reply: everything that can go wrong with them becomes an `UpstreamFailure`."""

    def __init__(
        self,
        settings: UpstreamSettings,
        request: dict[str, Any],
        patience: Patience,
        reader: ReplyReader,
    ) -> None:
        self._settings = settings
        self._request = request
        self._patience = patience
        self._reader = reader

    @asynccontextmanager
    async def until(self, deadline: float) -> AsyncIterator[None]:
        """Hold what is done inside to a deadline, on the loop's clock."""
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError:
            raise self._too_late() from None

    async def open(
        self, client: AsyncInferenceClient, way: Way, deadline: float
    ) -> Chunks:
        """Send the request; once more for each kept connection that turns out to be closed."""
        try:
            async with self.until(deadline):
                while True:
                    try:
                        reply = client.chat_completion(model=way.model, **self._request)
                        return cast(Chunks, await reply)
                    except httpx2.TransportError as error:
                        if not was_kept(error):
                            raise
        except Rejected as rejected:
            raise self._from_rejected(rejected) from None
        except (httpx2.ConnectError, InferenceTimeoutError) as error:
            # The library's timeouts are ours for connecting; it has no others.
            raise failures.unreachable(self._settings, _why(error)) from None
        except httpx2.RequestError as error:
            raise failures.broken_off(self._settings, _why(error)) from None

    async def next(self, chunks: Chunks, deadline: float) -> list[Delta] | None:
        """The next chunk's deltas, or None at the end. A finished reply cannot fail any more."""
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await anext(chunks, None)
            return None if chunk is None else list(self._reader.read(chunk))
        except TimeoutError:
            failure = self._too_late()
        except httpx2.TransportError as error:
            failure = failures.broken_off(self._settings, _why(error))
        except TextGenerationError as error:
            failure = failures.from_error(
                self._settings, error.args[0] if error.args else None, self._filled
            )
        except Exception as error:  # noqa: BLE001
            # Decoders and the library's parser say in many ways that bytes are no chunk of a chat completion: not
            # compressed, not of that charset, no JSON, nested too deep, or of other types.
            failure = failures.bad_response(
                self._settings, f"sent what is no chunk of a reply ({_why(error)})"
            )
        if self._reader.finished:
            return None
        raise failure

    @property
    def _filled(self) -> Collection[str]:
        return cast(Collection[str], self._request["extra_body"])

    def _too_late(self) -> UpstreamFailure:
        if self._reader.begun:
            what, seconds = "no next token", self._patience.between_tokens
        else:
            what, seconds = "no first token", self._patience.first_token
        return failures.timed_out(self._settings, what, seconds)

    def _from_rejected(self, rejected: Rejected) -> UpstreamFailure:
        return failures.from_status(
            self._settings,
            rejected.status,
            rejected.headers,
            rejected.body,
            self._filled,
        )


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
