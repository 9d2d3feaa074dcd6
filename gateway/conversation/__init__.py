"""The pure heart: events and time come in, commands go out."""
