"""The pure heart: events and time come in, commands go out.

No sockets, no asyncio, no clock of its own: whoever drives it passes the time, so that a test can play an hour
of talk in a millisecond. `machine.Conversation` is the way in; `events` is what it is told, `commands` what it
answers.

Times named ``now`` or ``*_at`` are seconds on the driver's monotonic clock; positions are seconds on an audio
clock (of the input, or of a reply).
"""
