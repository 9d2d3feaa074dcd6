"""``python -m deploy.kubernetes``: write what of the manifests is made from other files."""

from deploy.kubernetes import rules


def main() -> None:
    """Write the rules anew."""
    rules.MANIFEST.write_text(rules.manifest(), encoding="utf-8")


if __name__ == "__main__":
    main()
