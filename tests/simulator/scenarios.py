"""The script: what people do with an assistant, and what goes wrong with assistants."""

from itertools import cycle

from tests.simulator.script import (
    LONG_REPLY,
    Action,
    Backchannel,
    Interrupt,
    Noise,
    Pause,
    Say,
    Sound,
    Turn,
)
from tests.simulator.voices import RECORDED

_PAUSES = (0.3, 0.5, 0.8, 1.2)
"""Seconds of silence in the middle of a sentence."""

_DOUBTFUL = (0.3, 0.5)
"""Likewise where what was said may be all: after more, a listener who answers has not cut anybody off."""

_GUISES = ("joe", "brisk", "deep")

_SENTENCES = {
    "train": ("I need a train", "from Berlin to", "Hamburg on Friday morning."),
    "restaurant": ("Can you book a table for two", "at the", "Italian place near the station?"),
    "weather": ("Tell me what the weather", "will be", "in London tomorrow."),
    "email": ("Please write an email", "to my boss that", "I will be late today."),
    "recipe": ("How long do I have to boil", "an egg so that", "it is soft?"),
    "song": ("Who wrote the song", "that", "they always play at weddings?"),
    "alarm": ("Set an alarm", "for", "half past six."),
    "moon": ("How far away is the moon", "from", "the earth?"),
    "bike": ("My bike makes a strange noise", "when", "I go downhill."),
}  # fmt: skip
"""May be all after the first piece, hardly after the second."""

_RECORDED = {
    "france": ("What is the", "capital of France?"),
    "week": ("How many days are", "there in a week?"),
    "sky": ("What color", "is the sky?"),
    "meow": ("Which animal", "says meow?"),
}


def _turn(
    id: str, group: str, *actions: Action, voice: str = "joe", reply: str | None = None
) -> Turn:
    if reply is None:
        return Turn(id, group, actions, voice)
    return Turn(id, group, actions, voice, reply)


def _whole_and_cut() -> list[Turn]:
    made = []
    pauses, doubtful, guises = cycle(_PAUSES), cycle(_DOUBTFUL), cycle(_GUISES)
    for name, (first, second, third) in _SENTENCES.items():
        voice = next(guises)
        whole = Say(f"{first} {second} {third}")
        made.append(_turn(f"whole-{name}", "whole", whole, voice=voice))
        made.append(_cut(name, first, next(doubtful), f"{second} {third}", voice))
        made.append(_cut(name, f"{first} {second}", next(pauses), third, voice))
    for name, (first, second) in _RECORDED.items():
        whole = Say(f"{first} {second}")
        made.append(_turn(f"whole-rec-{name}", "whole", whole, voice=RECORDED))
        made.append(_cut(f"rec-{name}", first, next(pauses), second, RECORDED))
    both = ("I live in Paris", "and I like the sea.")
    made.append(_turn("whole-rec-paris", "whole", Say(" ".join(both)), voice=RECORDED))
    made.append(_cut("rec-paris", both[0], next(doubtful), both[1], RECORDED))
    return made


def _cut(name: str, before: str, pause: float, after: str, voice: str) -> Turn:
    actions = (Say(before), Pause(pause), Say(after))
    last = before.split()[-1].lower()
    return Turn(f"cut-{name}-{last}-{pause}", "cut", actions, voice)


_HESITATIONS = (
    _turn("um-know", "hesitation", Say("I would like to, um,"), Pause(0.7), Say("know more about bees.")),
    _turn("um-start", "hesitation", Say("Um,"), Pause(0.6), Say("what time is it in New York?"), voice="deep"),
    _turn("so-then", "hesitation", Say("I missed the bus, so, and then,"), Pause(0.8), Say("I had to walk all the way home."), voice="brisk"),
    _turn("because", "hesitation", Say("I cannot come because"), Pause(1.0), Say("my sister is ill.")),
    _turn("shopping", "hesitation", Say("I need to buy milk,"), Pause(0.5), Say("bread,"), Pause(0.7), Say("and a bit of cheese."), voice="deep"),
    _turn("cities", "hesitation", Say("I have been to Rome,"), Pause(0.6), Say("to Madrid,"), Pause(0.6), Say("and to Lisbon."), voice="brisk"),
    _turn("number", "hesitation", Say("My number is five five five,"), Pause(0.8), Say("one two three four.")),
    _turn("name-of", "hesitation", Say("What is the name of the"), Pause(0.4), Say("uh,"), Pause(0.5), Say("the actor in that film?"), voice="deep"),
    _turn("if", "hesitation", Say("If it rains tomorrow,"), Pause(0.9), Say("what should I do with the children?")),
    _turn("human", "hesitation", Say("And so, my fellow Americans"), Pause(0.7), Say("ask not"), Pause(0.6), Say("what your country can do for you"), Pause(0.3), Say("ask what you can do for your country."), voice=RECORDED),
    _turn("noisy-start", "hesitation", Noise(Sound.KEYBOARD, 1.2, -38.0), Pause(1.0), Say("Remind me to call the dentist."), voice="brisk"),
    _turn("cough-start", "hesitation", Noise(Sound.COUGH, 0.9, -30.0), Pause(1.3), Say("Sorry, where were we?")),
)  # fmt: skip

_SHORT = (
    _turn("yes", "short", Say("Yes.")),
    _turn("no", "short", Say("No."), voice="deep"),
    _turn("paris", "short", Say("Paris."), voice="brisk"),
    _turn("hello", "short", Say("Hello!")),
    _turn("thanks", "short", Say("Thank you."), voice="deep"),
    _turn("why", "short", Say("Why?"), voice="brisk"),
    _turn("peter", "short", Say("My name is Peter."), voice=RECORDED),
    _turn("tomorrow", "short", Say("Tomorrow.")),
)

_STORY = Say("Tell me a story about the sky.")


def _into(id: str, group: str, *reactions: Action, voice: str = "joe") -> Turn:
    return _turn(id, group, _STORY, *reactions, voice=voice, reply=LONG_REPLY)


_BACKCHANNELS = (
    _into("mm-hmm", "backchannel", Backchannel("Mm-hmm.", 2.0)),
    _into("yeah", "backchannel", Backchannel("Yeah.", 1.5), voice="brisk"),
    _into("right", "backchannel", Backchannel("Right.", 2.5), voice="deep"),
    _into("uh-huh", "backchannel", Backchannel("Uh-huh.", 3.0)),
    _into("okay", "backchannel", Backchannel("Okay.", 2.0), voice="deep"),
    _into("i-see", "backchannel", Backchannel("I see.", 4.0)),
    _into("two-of-them", "backchannel", Backchannel("Yeah.", 1.0), Backchannel("Mm-hmm.", 4.0), voice="brisk"),
    _into("three-of-them", "backchannel", Backchannel("Right.", 1.0), Backchannel("Yeah.", 3.0), Backchannel("Okay.", 5.0)),
    _into("at-once", "backchannel", Backchannel("Okay.", 0.1), voice="brisk"),
)  # fmt: skip

_NOISES = (
    _into("cough", "noise", Noise(Sound.COUGH, 0.9, -28.0, after=2.0)),
    _into("loud-cough", "noise", Noise(Sound.COUGH, 0.9, -20.0, after=1.5)),
    _into("hum", "noise", Noise(Sound.HUM, 3.0, -36.0, after=1.0)),
    _into("door", "noise", Noise(Sound.DOOR, 0.6, -18.0, after=2.0)),
    _into("keyboard", "noise", Noise(Sound.KEYBOARD, 3.0, -34.0, after=1.0)),
    _into("door-and-cough", "noise", Noise(Sound.DOOR, 0.6, -22.0, after=1.0), Noise(Sound.COUGH, 0.9, -26.0, after=3.5)),
    _into("cough-and-yeah", "noise", Noise(Sound.COUGH, 0.9, -26.0, after=1.0), Backchannel("Yeah.", 4.0), voice="deep"),
)  # fmt: skip

_INTERRUPTIONS = (
    _into("stop", "interruption", Interrupt("Stop.", 2.0)),
    _into("wait", "interruption", Interrupt("Wait a second.", 3.0), voice="brisk"),
    _into("cats", "interruption", Interrupt("No wait, tell me about cats instead.", 2.5), voice="deep"),
    _into("wait-cats", "interruption", Interrupt("No, wait,"  , 2.0), Pause(0.5), Say("tell me about dogs.")),
    _into("shorter", "interruption", Interrupt("Can you make it shorter please?", 4.0), voice="brisk"),
    _into("thats-enough", "interruption", Interrupt("That's enough, thank you.", 3.0), voice="deep"),
    _into("who", "interruption", Interrupt("Who put it there?", 5.0)),
    _into("france", "interruption", Interrupt("What is the capital of France?", 2.0), voice=RECORDED),
    _into("twice", "interruption", Interrupt("Tell me about the sea instead.", 2.0), Interrupt("No, about the moon.", 2.0)),
    _into("yeah-stop", "interruption", Backchannel("Yeah.", 1.0), Interrupt("Stop, that is enough.", 4.0), voice="brisk"),
    _into("yeah-but", "interruption", Interrupt("Yeah, but what is it made of?", 3.0), voice="deep"),
)  # fmt: skip

_OVERLAPS = (
    _into("at-its-first-sound", "overlap", Interrupt("And how far away is it?", 0.05)),
    _into("in-its-first-word", "overlap", Interrupt("I mean the night sky.", 0.3), voice="brisk"),
    _turn("over-its-end", "overlap", Say("How are you today?"), Interrupt("And what is the time?", 1.5), voice="deep"),
    _turn("over-its-last-sound", "overlap", Say("What do bees make?"), Interrupt("Do you like it?", 1.8), voice="brisk"),
    _turn("behind-it", "overlap", Say("What color is snow?"), Interrupt("Are you sure about that?", 9.0)),
    _turn("yeah-over-its-end", "overlap", Say("Where is the Eiffel Tower?"), Backchannel("Yeah.", 1.7)),
)  # fmt: skip

SCRIPT: tuple[Turn, ...] = (
    *_whole_and_cut(),
    *_HESITATIONS,
    *_SHORT,
    *_BACKCHANNELS,
    *_NOISES,
    *_INTERRUPTIONS,
    *_OVERLAPS,
)
"""All of it, by group."""
