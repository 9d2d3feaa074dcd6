"""What one GPU carries, read from the reports of make bench-models."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.capacity.figures import Budgets
from deploy.capacity.gpu import Carried, newest, read
from deploy.capacity.reading import BadInput

BUDGETS = Budgets(stt=300, llm=750, tts=300, gateway=50)


def heard(
    streams: int, p95: float | str, length: str = "5", interim: str = "yes"
) -> dict[str, Any]:
    return {
        "utterance s": length,
        "interim results": interim,
        "streams": streams,
        "p95": p95,
        "p50": p95,
    }


def spoken(
    streams: int, first: float, factor: float = 0.5, gap: float = 0.0
) -> dict[str, Any]:
    return {
        "streams": streams,
        "first audio p95": first,
        "RTF p95": factor,
        "longest gap ms": gap,
    }


def report(
    folder: Path, name: str = "models-1.json", device: str = "Some GPU", **parts: Any
) -> Path:
    path = folder / "bench" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps({"made": "2026-11-23T00:00:00+00:00", "device": device, **parts})
    )
    return path


def test_the_last_row_within_the_budget_is_what_a_gpu_carries(tmp_path: Path) -> None:
    path = report(
        tmp_path,
        stt={"rows": [heard(1, 20), heard(16, 40), heard(64, 299), heard(256, 900)]},
        tts={"rows": [spoken(1, 30), spoken(8, 80), spoken(32, 120)]},
    )
    gpu = read(path, BUDGETS)
    assert gpu.stt == Carried(64, False, "Some GPU, 2026-11-23, models-1.json")
    assert gpu.tts == Carried(32, True, "Some GPU, 2026-11-23, models-1.json")


def test_a_row_that_is_good_by_chance_after_a_bad_one_does_not_count(
    tmp_path: Path,
) -> None:
    rows = [heard(256, 200), heard(16, 400), heard(1, 20)]
    gpu = read(report(tmp_path, stt={"rows": rows}), BUDGETS)
    assert isinstance(gpu.stt, Carried)
    assert gpu.stt.streams == 1


def test_only_utterances_of_usual_length_with_interim_results_count(
    tmp_path: Path,
) -> None:
    rows = [
        heard(1, 20),
        heard(64, 20, interim="no"),
        heard(64, 20, length="2"),
    ]
    gpu = read(report(tmp_path, stt={"rows": rows}), BUDGETS)
    assert isinstance(gpu.stt, Carried)
    assert gpu.stt.streams == 1


@pytest.mark.parametrize(
    "bad", [spoken(4, 301), spoken(4, 50, factor=1.0), spoken(4, 50, gap=301)]
)
def test_a_voice_has_to_begin_in_time_and_to_stay_ahead(
    tmp_path: Path, bad: dict[str, Any]
) -> None:
    gpu = read(report(tmp_path, tts={"rows": [spoken(1, 50), bad]}), BUDGETS)
    assert isinstance(gpu.tts, Carried)
    assert gpu.tts.streams == 1


def test_what_was_not_run_is_not_carried(tmp_path: Path) -> None:
    rows = [heard(1, 20), heard(16, "16 is too many already") | {"p50": "not run"}]
    gpu = read(report(tmp_path, stt={"rows": rows}), BUDGETS)
    assert gpu.stt == Carried(1, False, "Some GPU, 2026-11-23, models-1.json")
    assert gpu.tts == "not in models-1.json: run make bench-models on your GPU"


def test_a_gpu_that_is_too_slow_for_one_says_so(tmp_path: Path) -> None:
    gpu = read(report(tmp_path, stt={"rows": [heard(1, 900)]}), BUDGETS)
    assert isinstance(gpu.stt, str)
    assert gpu.stt.startswith("not one stream within its budget (Some GPU")


def test_figures_of_a_cpu_say_nothing_about_a_gpu(tmp_path: Path) -> None:
    report(tmp_path, device="cpu", stt={"rows": [heard(1, 20)]})
    assert (
        newest(tmp_path, BUDGETS).stt
        == "not measured: run make bench-models on your GPU"
    )
    assert "not measured on a GPU" in str(
        read(tmp_path / "bench" / "models-1.json", BUDGETS).stt
    )


def test_the_newest_report_of_each_model_counts(tmp_path: Path) -> None:
    report(tmp_path, "models-1.json", stt={"rows": [heard(4, 20)]})
    report(tmp_path, "models-2.json", stt={"rows": [heard(8, 20)]})
    report(tmp_path, "models-3.json", tts={"rows": [spoken(2, 20)]})
    report(tmp_path, "models-4.json", device="cpu", stt={"rows": [heard(16, 20)]})
    gpu = newest(tmp_path, BUDGETS)
    assert isinstance(gpu.stt, Carried)
    assert isinstance(gpu.tts, Carried)
    assert (gpu.stt.streams, gpu.tts.streams) == (8, 2)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"device": "a", "made": 3}', "nul"])
def test_what_is_no_report_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"mine\.json is no "):
        read(path, BUDGETS)


@pytest.mark.parametrize(
    "rows", [3, [{"streams": 1}], [heard(1, 20) | {"p95": None}], [3]]
)
def test_a_report_with_odd_rows_is_refused_by_name(tmp_path: Path, rows: Any) -> None:
    with pytest.raises(BadInput, match=r"models-1\.json is no report"):
        read(report(tmp_path, stt={"rows": rows}), BUDGETS)
