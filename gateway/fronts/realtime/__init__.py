"""OpenAI's Realtime protocol, over WebSocket and WebRTC (docs/realtime.md)."""
