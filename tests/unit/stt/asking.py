"""What a test asks a scheduler."""

import numpy as np

from services.stt.audio import to_float
from services.stt.engines import Utterance
from services.stt.job import Job, Work
from services.stt.scheduler import Scheduler
from tests.fakes.engines import say


def ask(scheduler: Scheduler, work: Work, text: str) -> Job:
    """Ask for the transcript of a text, said."""
    utterance = Utterance(to_float(np.frombuffer(say(text), "<i2")), "en")
    return scheduler.submit(work, lambda: utterance)
