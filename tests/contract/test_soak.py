"""People who interrupt at random leave nothing behind; `python -m tests.bench --only soak` has a thousand turns of it."""

from tests.soak.soak import soak


def test_conversations_interrupted_at_random_keep_every_rule_and_leave_nothing() -> (
    None
):
    soaked = soak(turns=60, at_once=8, each=3)
    assert soaked.problems == []
    assert soaked.turns.total() >= 60
    assert soaked.turns["interrupted"]
    assert soaked.speculations["resumed"]
    assert not soaked.calls, "stage calls are open"
    assert not soaked.sessions, "sessions are open"
    assert not soaked.tasks, "tasks are running"
