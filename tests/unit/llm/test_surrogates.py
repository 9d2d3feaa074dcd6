"""Text that comes in halves of characters."""

from hypothesis import given
from hypothesis import strategies as st

from services.llm.upstreams.surrogates import Joiner, whole

HALVES = st.lists(st.sampled_from(["\ud83d", "\ude42", "a", "", "\U0001f642"]))


@given(st.text())
def test_text_that_is_whole_stays_as_it_is(text: str) -> None:
    assert whole(text) == text


@given(HALVES)
def test_cut_text_comes_out_as_if_it_had_come_at_once(pieces: list[str]) -> None:
    joiner = Joiner()
    passed = [joiner.push(piece) for piece in pieces]
    passed.append(joiner.finish())
    "".join(passed).encode()
    at_once = "".join(pieces).encode("utf-16", "surrogatepass")
    assert "".join(passed) == at_once.decode("utf-16", "replace")


def test_only_a_first_half_is_held_back() -> None:
    joiner = Joiner()
    assert [joiner.push(p) for p in ("a\ud83d", "\ude42b\ude42", "c")] == ["a", "\U0001f642b\ufffd", "c"]  # fmt: skip
    assert joiner.finish() == ""
