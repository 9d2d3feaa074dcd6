"""Settings of the gateway."""

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from gateway.access.limits import Limits
from gateway.conversation.endpointing import WAITS
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Interrupt,
    Policy,
    TurnTaking,
)
from services.runtime.settings import ServiceSettings

DEFAULT_INSTRUCTIONS = "You are a helpful voice assistant. Keep your answers short."


MOST_TOKENS = 32_768
"""Of one answer, whoever asks."""

UNKNOWN_CONTEXT = 32_768
"""Tokens that a model is taken to read of which nobody says how many it does: hosted ones read as many, or more."""


class GatewaySettings(ServiceSettings):
    """What the gateway can be told."""

    model_config = SettingsConfigDict(env_prefix="ANTIPHON_GATEWAY_")
    section: ClassVar[str] = "gateway"

    port: int = Field(
        50050, ge=0, le=65535, description="gRPC port; 0 takes a free one"
    )
    metrics_port: int = Field(
        9460, ge=0, le=65535, description="port of /metrics; 0 takes a free one"
    )
    http_port: int = Field(
        8080,
        ge=0,
        le=65535,
        description="port of the page, Realtime and the rest of HTTP; 0 takes a free one",
    )
    max_streams: int = Field(
        100,
        ge=1,
        description="conversations carried at once; the next is RESOURCE_EXHAUSTED",
    )
    drain_seconds: float = Field(
        300.0,
        ge=0,
        description="seconds for turns in progress to finish after SIGTERM, which the longest utterance, a tool and an answer "
        "take; then clients are told to try another gateway",
    )
    http_streams: int = Field(
        16,
        ge=1,
        description="transcriptions, speeches and chat completions over HTTP that are worked on at once",
    )

    keys: str = Field(
        "",
        description="file of the API keys; none: whoever reaches the gateway may use it",
    )
    api_keys: str = Field(
        "",
        description="further keys, as NAME:sha256:… or sha256:…, with commas between",
    )
    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="what client secrets are signed with, 32 characters or more, the same for all gateways behind one "
        "address; unset: made up at each start",
    )
    origins: str = Field(
        "",
        description="web pages of other sites that may use the gateway, as https://example.org, with commas between; "
        "*: all",
    )
    tls_cert: str = Field(
        "",
        description="PEM file of the certificate and its chain, for gRPC and HTTP; empty: no TLS",
    )
    tls_key: str = Field("", description="PEM file of the certificate's private key")
    key_conversations: int | None = Field(
        None,
        ge=1,
        description="conversations that one key may have open, unless its entry says otherwise; unset: no limit",
    )
    key_minutes: float | None = Field(
        None,
        gt=0,
        description="minutes of conversation that one key may use in 24 hours, likewise",
    )
    key_messages: float = Field(
        200.0,
        gt=0,
        description="messages a second that a client may send in one conversation, likewise",
    )
    key_requests: float = Field(
        600.0,
        gt=0,
        description="HTTP requests a minute that one key may make, likewise",
    )
    realtime_rate: int = Field(
        24_000,
        ge=8_000,
        le=48_000,
        description="Hz that a Realtime client means that names no rate",
    )
    longest_conversation: float = Field(
        3600.0,
        ge=0,
        description="seconds after which a conversation ends; 0: no limit",
    )
    longest_silence: float = Field(
        600.0,
        ge=0,
        description="seconds in which nobody says anything, after which a conversation ends; 0: no limit",
    )

    ice_servers: str = Field(
        "",
        description="a STUN and a TURN server for WebRTC, as stun:HOST:PORT and turn:HOST:PORT, with a comma between; "
        "empty: clients reach the gateway at its own addresses",
    )
    ice_username: str = Field("", description="for the TURN server")
    ice_password: SecretStr | None = Field(None, description="for the TURN server")
    ice_address: str = Field(
        "",
        description="IP address under which the gateway's UDP ports are reached from outside, where it is another than its "
        "own",
    )

    stt: str = Field(
        "127.0.0.1:50051", description="address of the speech-to-text stage"
    )
    llm: str = Field(
        "127.0.0.1:50052", description="address of the language-model stage"
    )
    tts: str = Field(
        "127.0.0.1:50053", description="address of the text-to-speech stage"
    )
    voice_model: str = Field(
        "silero-vad",
        description="voice activity: name in the models catalogue, or a path",
    )
    end_model: str = Field(
        "smart-turn",
        description="prediction of a turn's end: name in the models catalogue, or a path; empty or none: no prediction",
    )

    instructions: str = Field(
        DEFAULT_INSTRUCTIONS,
        description="said to the model first, unless a client brings its own",
    )
    max_tokens: int = Field(
        160,
        ge=1,
        le=MOST_TOKENS,
        description="longest answer in tokens, unless a client asks otherwise",
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="unset: as the upstream does"
    )
    context_tokens: int | None = Field(
        None,
        ge=256,
        description="tokens that a prompt and its reply may have together; beyond, the oldest turns are left out of "
        "prompts. Unset: as the model's stage says, and 32,768 where it does not know",
    )
    history_messages: int = Field(
        400,
        ge=2,
        description="messages, calls and results of a conversation that are remembered; beyond, the oldest half is forgotten",
    )

    endpointing: Endpointing = Field(
        Endpointing.PREDICTED,
        description="how the end of a user's turn is found, unless a client asks otherwise: predicted, silence, manual",
    )
    eagerness: Eagerness = Field(
        Eagerness.AUTO,
        description="how soon to answer where the end is predicted: low, medium, high, auto",
    )
    min_wait: float | None = Field(
        None,
        ge=0.1,
        le=5,
        description="seconds of silence after words that sound finished; unset: by eagerness",
    )
    max_wait: float | None = Field(
        None,
        ge=0.1,
        le=10,
        description="seconds of silence after words that sound unfinished; unset: by eagerness",
    )
    silence: float = Field(
        0.4,
        ge=0.1,
        le=5,
        description="seconds of silence that end a turn where the end is not predicted",
    )
    soft_end: float = Field(
        0.16,
        ge=0.03,
        le=5,
        description="seconds of silence after which a checkpoint is taken",
    )
    preroll: float = Field(
        0.3,
        ge=0,
        le=2,
        description="seconds before the start of speech that are transcribed too",
    )
    interrupt: Interrupt = Field(
        Interrupt.SPEECH,
        description="what stops an answer, unless a client asks otherwise: always, speech, words, never, listen (as never, "
        "but what is said is kept)",
    )
    listen_after: float = Field(
        0.1,
        ge=0.03,
        le=5,
        description="seconds of voice into an answer after which it is ducked and listened to",
    )
    interrupt_after: float = Field(
        0.8,
        ge=0.05,
        le=5,
        description="seconds of voice that interrupt an answer whatever is said",
    )
    speculations: int = Field(
        6,
        ge=0,
        le=20,
        description="answers that are begun before it is clear that the user is done, at most in one turn; 0: none",
    )
    draft_text: int = Field(
        120,
        ge=1,
        description="characters of such an answer that are synthesised before it is clear",
    )
    prefill: bool = Field(
        True,
        description="have the model read a user's words while they speak, where it keeps prompts in a cache",
    )
    longest_utterance: float = Field(
        120.0, ge=1, le=300, description="seconds after which a turn ends anyhow"
    )
    lead: float = Field(
        0.3, ge=0.05, le=5, description="seconds of audio sent ahead of real time"
    )

    stt_timeout: float = Field(
        15.0, gt=0, description="seconds to wait for a transcript"
    )
    llm_timeout: float = Field(
        30.0, gt=0, description="seconds to wait for the next clause"
    )
    tts_timeout: float = Field(
        15.0, gt=0, description="seconds to wait for a clause's audio"
    )
    tool_timeout: float = Field(
        60.0,
        gt=0,
        description="seconds to wait for a tool's result before the model goes on without",
    )

    def turns(self) -> TurnTaking:
        """When it is whose turn, in a conversation that asks for nothing else."""
        shortest, longest = WAITS[self.eagerness]
        longest = self.max_wait or longest
        return TurnTaking(
            endpointing=self.endpointing,
            silence=self.silence,
            eagerness=self.eagerness,
            min_wait=min(self.min_wait or shortest, longest),
            max_wait=longest,
            interrupt=self.interrupt,
        )

    def policy(self) -> Policy:
        """The policy of a conversation that asks for nothing else."""
        return Policy(
            turns=self.turns(),
            soft_end=self.soft_end,
            preroll=self.preroll,
            listen_after=self.listen_after,
            interrupt_after=self.interrupt_after,
            speculations=self.speculations,
            draft_text=self.draft_text,
            prefill=self.prefill,
            longest_utterance=self.longest_utterance,
            lead=self.lead,
            stt_timeout=self.stt_timeout,
            llm_timeout=self.llm_timeout,
            tts_timeout=self.tts_timeout,
            tool_timeout=self.tool_timeout,
            longest_silence=self.longest_silence or None,
            longest=self.longest_conversation or None,
        )

    def pace(self) -> dict[str, str | float | bool]:
        """What decides how soon an answer comes, by setting; a client may have asked otherwise."""
        turns = self.turns()
        return {
            "endpointing": turns.endpointing.value,
            "eagerness": turns.eagerness.value,
            "min_wait": turns.min_wait,
            "max_wait": turns.max_wait,
            "silence": turns.silence,
            "soft_end": self.soft_end,
            "speculations": self.speculations,
            "draft_text": self.draft_text,
            "prefill": self.prefill,
            "interrupt": turns.interrupt.value,
            "lead": self.lead,
        }

    def limits(self) -> Limits:
        """What a key may use whose entry says nothing else."""
        return Limits(
            conversations=self.key_conversations,
            minutes_per_day=self.key_minutes,
            messages_per_second=self.key_messages,
            message_bytes=self.max_message_bytes,
            requests_per_minute=self.key_requests,
        )
