"""Recognizers behind one small interface, one file an engine."""
