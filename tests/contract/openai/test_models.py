import pytest
from openai import NotFoundError

from tests.contract.openai.conftest import Running, start
from tests.fakes.stages import Script


async def test_models_are_the_aliases_and_what_hears(running: Running) -> None:
    models = [model async for model in running.openai.models.list()]
    assert [model.id for model in models][:2] == ["default", "none"]
    assert all(model.object == "model" for model in models)
    kinds = [model.to_dict()["antiphon"]["kind"] for model in models]  # type: ignore[index]
    assert kinds == ["chat", "transcription", "speech"]
    assert models[1].owned_by == "scripted"


async def test_a_model_can_be_looked_up(running: Running) -> None:
    model = await running.openai.models.retrieve("default")
    assert model.id == "default"


async def test_a_model_that_is_not_there_is_not_found(running: Running) -> None:
    with pytest.raises(NotFoundError, match="default") as found:
        await running.openai.models.retrieve("meta/llama")
    assert found.value.code == "model_not_found"


async def test_voices_say_what_they_speak_and_can_do() -> None:
    script = Script(any_speed=True, languages=("en", "de"))
    async with (
        start(script) as running,
        running.http.get("/v1/audio/voices") as response,
    ):
        told = await response.json()
    [voice] = told["data"]
    assert (voice["name"], voice["languages"]) == ("scripted", ["en", "de"])
    assert voice["default"] is True
    assert told["speed"] == {"min": 0.5, "max": 2.0}
    assert told["instructions"] is False
    assert "alloy" in told["aliases"]
    assert "mp3" in told["formats"]


async def test_stages_that_are_gone_offer_nothing() -> None:
    async with start(stt="127.0.0.1:1") as running:
        models = [model.id async for model in running.openai.models.list()]
    assert models[0] == "default"
    assert "none" not in models
