"""Write every dashboard to ``dashboards/``, one file each."""

from pathlib import Path

from deploy.grafana import pages

FOLDER = Path(__file__).with_name("dashboards")


def main() -> None:
    """Write them anew; a dashboard that is no more goes."""
    made = pages.every()
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
