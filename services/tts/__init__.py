"""Text to speech: one RPC speaks one reply."""
