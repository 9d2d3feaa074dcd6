"""Stands outside the conversation and turns what it does into spans, metrics and recent turns; it runs the same without."""
