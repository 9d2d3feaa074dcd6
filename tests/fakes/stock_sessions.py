"""Sessions that stock clients ask for."""

from typing import Any

REACHY: dict[str, Any] = {
    "type": "realtime",
    "instructions": "You are a robot.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": None},
            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.6,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": None}, "voice": "cedar"},
    },
    "tools": [
        {"type": "function", "name": "dance", "description": "", "parameters": {}}
    ],
    "tool_choice": "auto",
}

PCM = {"type": "audio/pcm", "rate": 24_000}
STOCK: dict[str, dict[str, Any]] = {
    "@openai/agents": {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "instructions": "Be short.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": PCM,
                "noise_reduction": None,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {"type": "semantic_vad"},
            },
            "output": {"format": PCM, "speed": 1},
        },
    },
    "LiveKit": {
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": PCM,
                "noise_reduction": None,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {
                    "type": "semantic_vad",
                    "create_response": True,
                    "eagerness": "medium",
                    "interrupt_response": True,
                },
            },
            "output": {"format": PCM, "voice": "marin", "speed": 1.0},
        },
        "max_output_tokens": "inf",
        "tool_choice": "auto",
        "tracing": None,
    },
    "Pipecat": {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "audio": {
            "input": {
                "transcription": {"model": "gpt-realtime-whisper"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                },
            }
        },
        "tools": [],
    },
    "Pipecat's example": {
        "type": "realtime",
        "model": "gpt-realtime-2.1",
        "instructions": "Be brief.",
        "audio": {
            "input": {
                "transcription": {"model": "gpt-realtime-whisper"},
                "turn_detection": {"type": "semantic_vad"},
                "noise_reduction": {"type": "near_field"},
            }
        },
        "tools": [],
    },
    "Reachy Mini": REACHY,
}
"""What stock clients send when they connect, with their defaults."""
