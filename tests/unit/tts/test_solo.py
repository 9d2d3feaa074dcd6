from services.tts.engines import Delivery, Line
from services.tts.engines.solo import SoloEngine, batching
from tests.fakes.chorus import ScriptedChorus
from tests.fakes.voice import ScriptedEngine

LINE = Line("one two", ((0, 3), (4, 7)), Delivery("alto", "en-US"))


def test_an_engine_of_one_line_becomes_one_of_batches_and_others_stay_what_they_are() -> (
    None
):
    chorus = ScriptedChorus()
    assert batching(chorus) is chorus
    assert isinstance(batching(ScriptedEngine()), SoloEngine)


def test_a_step_is_the_next_piece_and_the_last_one_is_the_end() -> None:
    solo = SoloEngine(ScriptedEngine())
    speech = solo.begin(LINE)
    steps = [said for _ in range(3) for said in solo.step([speech])]
    assert [said.piece is not None for said in steps] == [True, True, False]
    assert [said.finished for said in steps] == [False, False, True]


def test_taking_a_line_on_computes_nothing_and_closing_it_stops_the_work() -> None:
    engine = ScriptedEngine()
    solo = SoloEngine(engine)
    speech = solo.begin(LINE)
    assert engine.steps == []
    list(solo.step([speech]))
    speech.close()
    assert engine.abandoned == ["one two"]
    assert [said.finished for said in solo.step([speech])] == [True]


def test_the_warm_up_speaks_in_the_default_voice_and_measures_nothing() -> None:
    engine = ScriptedEngine()
    assert SoloEngine(engine).warm_up() is None
    (line,) = engine.lines
    assert (line.delivery.voice, line.delivery.language) == ("alto", "en-US")
    assert len(engine.steps) == len(line.words)
