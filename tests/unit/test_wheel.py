"""What is installed: all that processes read, and nothing that only makes or tests them."""

from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
ROOMS = ("antiphon", "gateway", "services")


def test_the_wheel_holds_all_that_processes_read_and_no_more() -> None:
    shipped = {
        file.distribution_path
        for file in WheelBuilder(str(ROOT)).recurse_included_files()
    }
    there = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    made_for_images = {path for path in there if path.endswith("/Dockerfile")}
    assert shipped == there - made_for_images
