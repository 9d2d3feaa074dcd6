"""The processes of the CPU default."""

from dataclasses import dataclass

CONVERSATION_SERVICE = "antiphon.v1.Conversation"


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the CPU default.

    Attributes:
        name: what people call it.
        module: to be run.
        section: of the settings; its variables begin with ``ANTIPHON_`` and the section's name.
        ports: setting and default of each port; the first is the one that others use.
        models: setting and name in the catalogue of each model that the default settings need.
        service: full name of the gRPC service that it offers; empty: it speaks HTTP.
        after: parts that it needs.
        engine: the one that the default settings choose; empty: there is no choice.
    """

    name: str
    module: str
    section: str
    ports: tuple[tuple[str, int], ...]
    models: tuple[tuple[str, str], ...]
    service: str
    after: tuple[str, ...] = ()
    engine: str = ""

    def variable(self, setting: str) -> str:
        """The environment variable of a setting."""
        return f"ANTIPHON_{self.section}_{setting}".upper()


PARTS = (
    Part(
        "llm-local",
        "services.llm_local",
        "llm_local",
        (("port", 8081),),
        (("model", "smollm2-135m"),),
        "",
    ),
    Part(
        "stt",
        "services.stt",
        "stt",
        (("port", 50051), ("metrics_port", 9461)),
        (("model", "whisper-tiny-en"),),
        "antiphon.v1.SpeechToText",
        engine="whisper",
    ),
    Part(
        "llm",
        "services.llm",
        "llm",
        (("port", 50052), ("metrics_port", 9462)),
        (),
        "antiphon.v1.LanguageModel",
        ("llm-local",),
    ),
    Part(
        "tts",
        "services.tts",
        "tts",
        (("port", 50053), ("metrics_port", 9463)),
        (("model", "piper-joe-medium"),),
        "antiphon.v1.TextToSpeech",
        engine="piper",
    ),
    Part(
        "gateway",
        "gateway",
        "gateway",
        (("port", 50050), ("metrics_port", 9460), ("http_port", 8080)),
        (("voice_model", "silero-vad"), ("end_model", "smart-turn")),
        CONVERSATION_SERVICE,
        ("stt", "llm", "tts"),
    ),
)
"""In the order in which they are shown."""

NAMES = tuple(part.name for part in PARTS)
