"""Write ``settings.yaml`` and ``.env.example`` anew."""

from pathlib import Path

from deploy.compose import env, fragment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def files() -> dict[Path, str]:
    """What is written, by path."""
    return {
        HERE / "settings.yaml": fragment.text(),
        ROOT / ".env.example": env.text(),
    }


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
