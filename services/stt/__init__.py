"""Speech to text: one RPC hears one utterance."""
