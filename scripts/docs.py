"""Write the generated pages again; the unit tests fail when one of them is stale."""

from __future__ import annotations

from pathlib import Path

from optimizer.catalog import reference

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Write the tunable reference, the JSON schemas and the list of errors."""
    (ROOT / "docs/tunables.md").write_text(reference.markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
