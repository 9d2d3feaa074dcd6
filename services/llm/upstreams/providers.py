"""The way to a server: by its address, or by the name of an inference provider, which has to be looked up first.

For a provider the library needs the model's id over there, which it asks the Hub for: at the first request, on the
event loop, without a time limit. So it is asked for here before, in a thread and within one; the library keeps the
answer. As long as there is none, a Hugging Face token still leads to the provider, because the router also takes
``model:provider`` and looks the rest up itself.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.inference._providers import get_provider_helper
from pydantic import SecretStr

from services.llm.settings import UpstreamSettings
from services.llm.upstreams import failures
from services.runtime.logs import get_logger

log = get_logger(__name__)

ROUTER = "https://router.huggingface.co/v1"
"""Hugging Face's router; it takes ``model:provider`` for a model."""
HUB_SECONDS = 4.0
"""Longest silence of the Hub that a look-up bears."""
NO_KEY = "none"
"""Keeps the library from looking for a token of its own; `KeptClient` leaves it out of the request."""

_ROUTED_KEYS = "hf_"
"""How keys begin with which the library goes through the router, and not to the provider itself."""
_ANY_PROVIDER = "auto"
"""Leaves the choice to the router."""
_NOT_OFFERED = "not supported"
"""In what the library says where the Hub, or it itself, knows that the provider has no such model."""
_NONSENSE = (
    httpx2.HTTPError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""What comes of a Hub that cannot be reached, or whose answer is no JSON, or not what it should be."""
_threads = ThreadPoolExecutor(1, thread_name_prefix="hub")


@dataclass(frozen=True, slots=True)
class Way:
    """How the library is told where to go.

    Attributes:
        client: arguments of ``AsyncInferenceClient``, besides the key.
        model: argument of ``chat_completion``.
        root: URL of the API that this leads to, ending in /v1 mostly.
    """

    client: dict[str, Any]
    model: str
    root: str


class Address:
    """Of an upstream with ``base_url``: nothing has to be looked up."""

    def __init__(self, settings: UpstreamSettings, _key: SecretStr | None) -> None:
        root = str(settings.base_url).rstrip("/")
        self._way = Way({"base_url": root}, settings.model, root)

    async def look_up(self) -> Way:
        """The way."""
        return self._way

    async def way(self) -> Way:
        """The way."""
        return self._way


class Provider:
    """Of an upstream with ``provider``."""

    def __init__(self, settings: UpstreamSettings, key: SecretStr | None) -> None:
        self._settings = settings
        self._key = key.get_secret_value() if key else NO_KEY
        self._found: Way | None = None
        self._refused: str | None = None
        self._routed: Way | None = None
        if self._key.startswith(_ROUTED_KEYS):
            auto = settings.provider == _ANY_PROVIDER
            model = settings.model if auto else f"{settings.model}:{settings.provider}"
            self._routed = Way({"base_url": ROUTER}, model, ROUTER)
        set_client_factory(_hub_client)

    async def look_up(self) -> Way:
        """Ask the Hub, once, and say what there is without it.

        Raises:
            UpstreamFailure: there is no way: the provider does not offer the model, or with a key of the provider's
                own the Hub cannot be asked.
        """
        if self._found is None and self._refused is None:
            await self._ask_hub()
        return await self.way()

    async def way(self) -> Way:
        """The way, at once wherever possible.

        Raises:
            UpstreamFailure: as `look_up`.
        """
        if self._refused is not None:
            raise failures.not_offered(self._settings, self._refused)
        way = self._found or self._routed
        return way or await self._ask_hub()

    async def _ask_hub(self) -> Way:
        loop = asyncio.get_running_loop()
        try:
            url = await loop.run_in_executor(_threads, self._url)
        except _NONSENSE as error:
            if type(error) is ValueError and _NOT_OFFERED in str(error):
                self._refused = str(error)
                raise failures.not_offered(self._settings, self._refused) from None
            why = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            root = url.removesuffix("/chat/completions")
            client = {"provider": self._settings.provider}
            self._found = Way(client, self._settings.model, root)
            return self._found
        if self._routed is None:
            raise failures.unreachable(
                self._settings, f"the Hub does not say its model's id there, {why}"
            )
        log.warning(
            "the Hub does not say the model's id at the provider; the router is left to find it",
            upstream=self._settings.name,
            reason=why,
        )
        return self._routed

    def _url(self) -> str:
        """URL of the provider's chat completions. Runs in a thread: it asks the Hub unless it has before."""
        helper = get_provider_helper(
            self._settings.provider,  # type: ignore[arg-type]  # the library refuses what it does not know
            task="conversational",
            model=self._settings.model,
        )
        request = helper.prepare_request(
            inputs=[],
            parameters={},
            headers={},
            model=self._settings.model,
            api_key=self._key,
        )
        return str(request.url)


def _hub_client() -> httpx2.Client:
    return httpx2.Client(follow_redirects=True, timeout=HUB_SECONDS)
