"""The pages of speech to text and of text to speech."""

from deploy.grafana.curves import lines, stack
from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.panels import Query
from deploy.grafana.queries import of, quantile, rate
from deploy.grafana.stage import batches, calls, errors, now, share, streams

_STT, _TTS = of("stt"), of("tts")

STT = Dashboard(
    "antiphon-stt",
    "Antiphon / Speech to text",
    "What users wait for their words to be understood, and why.",
    "stt",
    (
        now("stt"),
        Row(
            "Latency",
            [
                share("stt", "From when the transcript was asked for until it came."),
                calls("stt"),
            ],
        ),
        Row(
            "Engine",
            [
                *batches("stt", "stt"),
                stack(
                    "Partial transcripts given up",
                    "A minute. Postponed: made way for finals, and are begun again. Dropped: nobody needed them any more. "
                    "Neither harms a turn.",
                    "opm",
                    Query(
                        f"60 * {rate('antiphon_partials_postponed_total', _STT)}",
                        "postponed",
                    ),
                    Query(
                        f"60 * {rate('antiphon_partials_dropped_total', _STT)}",
                        "dropped",
                    ),
                ),
            ],
        ),
        Row("Errors and places", [errors("stt"), streams("stt")]),
    ),
)

TTS = Dashboard(
    "antiphon-tts",
    "Antiphon / Text to speech",
    "What users wait for the voice, and why.",
    "tts",
    (
        now("tts"),
        Row(
            "Latency",
            [
                share("tts", "From the first clause until its first audio."),
                lines(
                    "First audio",
                    "From the first segment to the first audio, in the stage itself.",
                    "s",
                    Query(
                        quantile("0.5", "antiphon_first_audio_seconds", _TTS, "engine"),
                        "{{engine}} p50",
                    ),
                    Query(
                        quantile(
                            "0.95", "antiphon_first_audio_seconds", _TTS, "engine"
                        ),
                        "{{engine}} p95",
                        exemplars=True,
                    ),
                ),
                calls("tts"),
                lines(
                    "Audio made",
                    "Seconds of speech made in a second.",
                    "short",
                    Query(
                        rate("antiphon_spoken_audio_seconds_total", _TTS, "engine"),
                        "{{engine}}",
                    ),
                ),
            ],
        ),
        Row("Engine", batches("tts", "tts")),
        Row("Errors and places", [errors("tts"), streams("tts")]),
    ),
)
