"""Golden files: a whole screen as it should be, in tests/golden.

`pytest tests/unit --update-golden` writes them anew; the diff is for reviewing.

Properties are tried with the same examples every time; HYPOTHESIS_PROFILE=search looks
for new ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

GOLDEN = Path(__file__).parent.parent / "golden"
_OPTION = "--update-golden"

Golden = Callable[[str, Sequence[str]], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_OPTION, action="store_true", help="write tests/golden anew")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the controller's records of a test out of those of the person who runs it."""
    monkeypatch.setenv("OPTIMIZER_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    # Given a folder above this one, pytest reads this file too late for its option.
    is_updating = request.config.getoption(_OPTION, default=False)

    def compare(name: str, lines: Sequence[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if is_updating or os.environ.get("UPDATE_GOLDEN"):
            (GOLDEN / name).write_text(text, encoding="utf-8")
        assert text == (GOLDEN / name).read_text(encoding="utf-8")

    return compare
