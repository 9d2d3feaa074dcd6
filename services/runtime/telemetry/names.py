"""Names of spans and attributes: listed here and nowhere else.

``docs/telemetry.md`` is made from them: whoever changes them runs
``python -m services.runtime.telemetry.page docs/telemetry.md``.

RPC and GenAI names follow OpenTelemetry's semantic conventions; ours begin with ``antiphon.``.
"""

from typing import Self


class Name(str):
    """A name, with what it means.

    Attributes:
        about: what it tells.
        on: spans that carry it; for a span: where it hangs.
    """

    __slots__ = ("about", "on")

    about: str
    on: str

    def __new__(cls, name: str, on: str, about: str) -> Self:
        """The name itself, with more to say."""
        made = super().__new__(cls, name)
        made.about = about
        made.on = on
        return made


class SpanName(Name):
    """Name of a span; ``on`` says where it hangs."""

    __slots__ = ()


class Attribute(Name):
    """Name of an attribute."""

    __slots__ = ()


class Event(Name):
    """Name of an event; ``on`` names the spans."""

    __slots__ = ()


# --- spans of the gateway ---------------------------------------------------------------------------------

CONVERSATION_SPAN = SpanName(
    "conversation",
    "root, or below the span of the client",
    "the moment at which a conversation opens; all of its turns are linked to it, and prompts are read ahead below it",
)
TURN_SPAN = SpanName(
    "turn",
    "root, linked to `conversation`",
    "one turn, from the start of the user's speech to the end of playout; `error.type` names the stage that failed it",
)
ENDPOINTING_SPAN = SpanName(
    "endpointing",
    "`turn`",
    "end of the user's speech, to when the silence had been long enough: the share of the waterfall",
)
TRANSCRIBE_SPAN = SpanName(
    "transcribe",
    "`turn`, an HTTP request",
    "one call to the speech-to-text stage, on as many replicas as it took",
)
SPECULATE_SPAN = SpanName(
    "speculate",
    "`turn`",
    "an answer begun before its turn was decided, until its fate; its `generate` and `synthesize` have its revision",
)
GENERATE_SPAN = SpanName(
    "generate",
    "`turn`, an HTTP request",
    "one call to the language model's proxy, likewise",
)
SYNTHESIZE_SPAN = SpanName(
    "synthesize",
    "`turn`, an HTTP request",
    "one call to the text-to-speech stage, likewise",
)
PLAYOUT_SPAN = SpanName(
    "playout", "`turn`", "first audio sent to the client, to the end of playing it"
)
HTTP_SPAN = SpanName(
    "{method} {route}",
    "root, or below the span of whoever asks",
    "an HTTP request that is no conversation, such as `POST /v1/audio/speech`",
)

# --- spans of the stages ----------------------------------------------------------------------------------

QUEUE_SPAN = SpanName(
    "queue",
    "a stage's server span, `clause`",
    "waiting for a place in a batch; of a partial only where it got one",
)
COMPUTE_SPAN = SpanName(
    "compute",
    "a stage's server span, `clause`",
    "in the engine: one batch to the recognizer; to the voice all steps of a clause, and what went first in between",
)
CLAUSE_SPAN = SpanName(
    "clause",
    "the voice's server span",
    "a clause: text complete to its last audio sent; at first it may wait for the one before it to be spoken",
)
UPSTREAM_SPAN = SpanName(
    "chat {model}",
    "the server span of the language model's proxy",
    "one try at an upstream, from the request to its last word, or to whatever ended it",
)

# --- attributes of the conventions ------------------------------------------------------------------------

RPC_SYSTEM = Attribute("rpc.system.name", "spans of RPCs", "`grpc`")
RPC_METHOD = Attribute("rpc.method", "spans of RPCs", "the method's full name")
RPC_STATUS_CODE = Attribute(
    "rpc.response.status_code", "spans of RPCs", "how it ended, as gRPC names it"
)
ERROR_TYPE = Attribute(
    "error.type",
    "spans of what failed",
    "status code, the stage that failed the turn, or an upstream's outcome",
)
GEN_AI_OPERATION = Attribute(
    "gen_ai.operation.name", "`generate`, spans of upstreams", "`chat`"
)
GEN_AI_PROVIDER = Attribute(
    "gen_ai.provider.name",
    "spans of upstreams",
    "the provider that the settings name, or whose address they have; `openai_compatible` for any other server",
)
GEN_AI_REQUEST_MODEL = Attribute(
    "gen_ai.request.model",
    "`generate`, spans of upstreams",
    "the model that was asked for",
)
GEN_AI_RESPONSE_MODEL = Attribute(
    "gen_ai.response.model", "spans of upstreams", "the model that answered"
)
GEN_AI_FINISH_REASONS = Attribute(
    "gen_ai.response.finish_reasons",
    "`generate`, spans of upstreams",
    "why it stopped writing: one of `stop`, `length`, `tool_calls`, `content_filter`, `unspecified`",
)
GEN_AI_INPUT_TOKENS = Attribute(
    "gen_ai.usage.input_tokens", "`generate`, spans of upstreams", "tokens read"
)
GEN_AI_CACHED_TOKENS = Attribute(
    "gen_ai.usage.cache_read.input_tokens",
    "`generate`, spans of upstreams",
    "of the tokens read, those that lay in its cache",
)
GEN_AI_OUTPUT_TOKENS = Attribute(
    "gen_ai.usage.output_tokens", "`generate`, spans of upstreams", "tokens written"
)
SERVER_ADDRESS = Attribute(
    "server.address", "spans of upstreams", "host of the upstream"
)
SERVER_PORT = Attribute("server.port", "spans of upstreams", "its port")
HTTP_STATUS_CODE = Attribute(
    "http.response.status_code",
    "spans of upstreams, of HTTP requests",
    "as HTTP has it; 499 where the client had left",
)
HTTP_METHOD = Attribute("http.request.method", "spans of HTTP requests", "the method")
HTTP_ROUTE = Attribute(
    "http.route",
    "spans of HTTP requests",
    "the path, with names in place of what varies",
)
URL_SCHEME = Attribute("url.scheme", "spans of HTTP requests", "`http` or `https`")

# --- ours -------------------------------------------------------------------------------------------------

CONVERSATION_ID = Attribute(
    "antiphon.conversation.id",
    "`conversation`, `turn`, server spans",
    "the conversation, as the client knows it",
)
TURN = Attribute("antiphon.turn.number", "`turn`, server spans", "the turn's number")
REVISION = Attribute(
    "antiphon.revision",
    "`transcribe`, `generate`, `synthesize`, `speculate`, server spans",
    "which attempt at the turn it works for",
)
OUTCOME = Attribute(
    "antiphon.turn.outcome",
    "`turn`",
    "how it went; `forgotten` and `abandoned` for speech that became no turn",
)
WATERFALL = Attribute(
    "antiphon.turn.waterfall",
    "`turn`",
    "prefix: the shares of the waterfall, what was saved, and the total, in seconds",
)
OVERRUNS = Attribute(
    "antiphon.turn.overruns", "`turn`", "shares that took longer than their budget"
)
SPECULATION_OUTCOME = Attribute(
    "antiphon.speculation.outcome", "`speculate`", "what became of it"
)
SPECULATIVE = Attribute(
    "antiphon.speculative",
    "`generate`, `synthesize`",
    "whether it was begun before the turn was decided",
)
TRIES = Attribute(
    "antiphon.tries",
    "`transcribe`, `generate`, `synthesize`",
    "replicas that were asked",
)
ASKED_AGAIN_REASON = Attribute(
    "antiphon.reason",
    "`replica_asked_again`",
    "as `antiphon_replicas_asked_again_total` has it",
)
WORK = Attribute(
    "antiphon.work",
    "`queue`, `compute`, spans of upstreams",
    "what the engine did: final, partial, …; of an upstream: `reply`, or `prepare` for reading a prompt ahead",
)
BATCH_SIZE = Attribute(
    "antiphon.batch.size",
    "`compute`",
    "work items in the batch; of a clause's steps, the most",
)
COMPUTE_SECONDS = Attribute(
    "antiphon.compute.seconds",
    "`compute` of a clause",
    "of its length, the time in the engine's steps",
)
COMPUTE_OUTCOME = Attribute(
    "antiphon.compute.outcome",
    "`compute`",
    "`done`; `postponed` for a partial that made way and is begun again; `dropped`: nobody needed it any more; `failed`",
)
ENGINE = Attribute("antiphon.engine", "server spans of stages", "the engine's name")
UPSTREAM = Attribute(
    "antiphon.upstream.name", "spans of upstreams", "its name in the routes"
)
ATTEMPT_OUTCOME = Attribute(
    "antiphon.upstream.outcome",
    "spans of upstreams",
    "as `antiphon_upstream_attempts_total` has it; `skipped` for a prompt that was not read ahead",
)
HEDGE = Attribute(
    "antiphon.upstream.hedge",
    "spans of upstreams",
    "whether it was begun beside one that was late",
)
CLAUSE = Attribute("antiphon.clause", "`clause`", "its number in the answer, from 0")
AUDIO_SECONDS = Attribute(
    "antiphon.audio.seconds", "`compute`, `clause`", "audio heard or made, in seconds"
)

# --- events -----------------------------------------------------------------------------------------------

FIRST_TOKEN_EVENT = Event(
    "first_token", "spans of upstreams", "the first piece of text, or tool call"
)
SKIPPED_EVENT = Event(
    "upstream_skipped",
    "the proxy's server span",
    "an upstream that was not asked, because it rests; `antiphon.upstream.name` says which",
)
AWAITED_EVENT = Event(
    "transcript_awaited",
    "`turn`",
    "from here on its transcript was waited for, until the prompt left: the waterfall's share",
)
ASKED_EVENT = Event(
    "transcript_asked",
    "`transcribe`",
    "a transcript was asked for: at a pause, and at the end",
)
TRANSCRIPT_EVENT = Event("transcript", "`transcribe`", "it came")
TOOL_CALL_EVENT = Event("tool_call", "`generate`", "the model asked for a function")
FIRST_CLAUSE_EVENT = Event(
    "first_clause", "`synthesize`", "the voice took the first clause"
)
ASKED_AGAIN_EVENT = Event(
    "replica_asked_again",
    "`transcribe`, `generate`, `synthesize`",
    "a replica is full or gone, and the next one is asked; `antiphon.reason` says why",
)
FIRST_AUDIO_EVENT = Event(
    "first_audio", "`synthesize`, `clause`", "the first audio came"
)
