"""Which room may import which (docs/architecture.md)."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("antiphon", "gateway", "services")
HEAVY = {
    "ctranslate2",
    "faster_whisper",
    "nemo",
    "onnx",
    "onnxruntime",
    "piper",
    "qwen_tts",
    "torch",
    "xllamacpp",
}
STAGES = ("services/stt", "services/llm", "services/llm_local", "services/tts")


def modules(folder: str) -> list[Path]:
    return [
        path
        for path in (ROOT / folder).rglob("*.py")
        if "antiphon/v1" not in path.as_posix()
    ]


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names
            }
    return found


def within(module: str, room: str) -> bool:
    name = room.replace("/", ".")
    return module == name or module.startswith(name + ".")


def test_the_conversation_imports_nothing_but_python() -> None:
    for path in modules("gateway/conversation"):
        for module in imports(path):
            top = module.split(".")[0]
            assert top in sys.stdlib_module_names or within(
                module, "gateway/conversation"
            ), (path, module)
            assert top not in ("asyncio", "time", "socket", "threading"), (path, module)


def test_the_calculator_of_replicas_needs_nothing_but_python() -> None:
    for path in modules("deploy/capacity"):
        for module in imports(path):
            top = module.split(".")[0]
            assert top in sys.stdlib_module_names or within(
                module, "deploy/capacity"
            ), (path, module)


ALLOWED = {
    "gateway/hearing": ("gateway/conversation", "services/runtime"),
    "gateway/stages": (
        "antiphon/v1",
        "gateway/conversation",
        "gateway/hearing/tape",
        "services/runtime",
    ),
    "gateway/observing": ("gateway/conversation", "gateway/stages", "services/runtime"),
    "gateway/access": ("gateway/settings", "services/runtime"),
    **dict.fromkeys(STAGES, ("antiphon/v1", "services/runtime")),
    "services/runtime": ("antiphon/v1",),
    "antiphon": ("services/runtime",),
    "deploy": (
        "gateway/settings",
        "services/runtime/settings",
        *(f"{stage}/settings" for stage in STAGES),
    ),
}
"""What of ours a room may import beside itself."""


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_what_it_may(room: str) -> None:
    assert modules(room)
    for path in modules(room):
        for module in imports(path):
            if module.split(".")[0] in OURS:
                assert any(within(module, each) for each in (room, *ALLOWED[room])), (
                    path,
                    module,
                )


@pytest.mark.parametrize("stage", ["services/stt", "services/tts"])
def test_an_engine_never_imports_its_server(stage: str) -> None:
    for path in modules(f"{stage}/engines"):
        for module in imports(path):
            if within(module, stage):
                name = module.removeprefix(stage.replace("/", ".") + ".").split(".")[0]
                assert name not in (
                    "service",
                    "scheduler",
                    "session",
                    "stream",
                    "settings",
                ), (path, module)


@pytest.mark.parametrize("stage", STAGES)
def test_heavy_packages_are_imported_by_engines_alone(stage: str) -> None:
    for path in modules(stage):
        if not {"engines", "upstreams"} & set(path.parts):
            heavy = {
                module.split(".")[0] for module in imports(path, top_level_only=True)
            } & HEAVY
            assert not heavy, (path, heavy)
