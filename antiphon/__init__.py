"""Antiphon answers speech with speech."""
