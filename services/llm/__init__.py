"""The language-model proxy: one RPC writes one reply."""
