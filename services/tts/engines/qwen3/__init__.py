"""Qwen3-TTS by qwen-tts: streamed, several lines a step, all kinds of 12 Hz checkpoints."""

from services.tts.engines.qwen3.loading import load

__all__ = ["load"]
