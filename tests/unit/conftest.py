"""Golden files: a whole screen as it should be, in tests/golden.

`pytest tests/unit --update-golden` writes them anew; the diff is for reviewing.

Properties are tried with the same examples every time; HYPOTHESIS_PROFILE=search looks
for new ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from optimizer.app.requests import ProfileRequest
    from tests.unit.shell_lab import Lab

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, max_examples=40)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# What is printed must not depend on the terminal of whoever runs the tests; processes take it over.
os.environ["TERM"] = "xterm"

GOLDEN = Path(__file__).parent.parent / "golden"
_OPTION = "--update-golden"

_SMALL = """
name: small
version: 3
summary: Small.
set:
  system.sysctl.vm.swappiness: 1
  system.sysctl.vm.dirty_bytes: 1 MiB
  system.thp.enabled: never
"""

Golden = Callable[[str, Sequence[str]], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_OPTION, action="store_true", help="write tests/golden anew")


# Modules whose tests start shells or the command line again and again; `make check` leaves
# them to `make test`.
_SLOW = ("test_host_", "test_cli_start", "test_cli_completion", "test_sysctl_boot_order")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: starts many processes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name.startswith(_SLOW) and item.path.name != "test_host_plan.py":
            item.add_marker("slow")


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


@pytest.fixture(params=("dash", "bash", "busybox"))
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """Give each of the shells a host made of files."""
    yield from _lab(request.param, tmp_path)


@pytest.fixture
def dash(tmp_path: Path) -> Iterator[Lab]:
    """Give a host to what has nothing to do with the kind of shell."""
    yield from _lab("dash", tmp_path)


def _lab(shell: str, root: Path) -> Iterator[Lab]:
    # Most tests need neither shells nor what stands behind them.
    from tests.unit.shell_lab import Lab, skip_without, skip_without_rights

    skip_without_rights()
    made = Lab(root, skip_without(shell))
    yield made
    made.disarm()


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the controller a state directory of its own, and no pause between questions."""
    monkeypatch.setenv("OPTIMIZER_STATE_DIR", str(tmp_path / "controller"))
    monkeypatch.setattr("optimizer.app.apply._RETRY_PAUSE", 0.0)
    return tmp_path / "controller"


@pytest.fixture
def small(tmp_path: Path) -> ProfileRequest:
    """Ask for a profile with a pair, a reset value and a plain one."""
    from optimizer.app.requests import ProfileRequest

    path = tmp_path / "small.yaml"
    path.write_text(_SMALL, encoding="utf-8")
    return ProfileRequest(name=str(path))
