"""Conversations to look at."""

from tests.browser.page.scripted import Conversation, waterfall


async def france(talk: Conversation) -> None:
    """A question and its answer."""
    await talk.said("What is", "What is the capital", "What is the capital of France?")
    await talk.answers(
        "The capital of France is Paris, on the river Seine.",
        waterfall(412, 104, 148, 61, saved=291),
        seconds=0.2,
    )


async def dice(talk: Conversation) -> None:
    """The model asks the page for something."""
    await talk.said("Roll two dice for me.")
    await talk.calls("roll_dice", '{"count": 2, "sides": 6}')
    await talk.until("response.create")
    await talk.answers("There you go.", seconds=0.2)


async def bees(talk: Conversation) -> None:
    """An answer that is interrupted."""
    await talk.said("And how do bees make honey?")
    text = (
        "Bees gather nectar from flowers and carry it home in their honey stomach. There they pass it on from"
        " mouth to mouth, and it dries in the comb."
    )
    response, _ = await talk.begins(text, 0.3)
    await talk.done(response, "cancelled")
    heard = "Bees gather nectar from flowers and carry it home"
    falls = waterfall(455, 110, 190, 58, saved=322)
    await talk.fell(response, falls, outcome="interrupted", heard_text=heard)


async def trouble(talk: Conversation) -> None:
    """An overrun, a failure, and somebody who talks at length."""
    await talk.said("Wait, what does that mean for me?")
    await talk.answers(
        "Nothing much. It means that you have more honey than you asked for.",
        waterfall(620, 140, 1480, 90, 4, saved=410),
        0.2,
    )
    await talk.said("Say something.")
    await talk.fails("text to speech cannot be reached; is it running?")
    await talk.said(
        "I have been thinking about this for a long time, and what I would like to know, if it is not too much to ask,"
        " is whether Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen is a word that you can pronounce."
    )
    await talk.answers(
        "It is, in principle. "
        + "Long answers want room, and lines that break well. " * 6,
        waterfall(380, 120, 160, 70, saved=300),
        0.2,
    )


async def everything(talk: Conversation) -> None:
    """All of them."""
    for scene in (france, dice, bees, trouble):
        await scene(talk)
