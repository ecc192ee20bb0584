"""Folders of the cache that take long to make: made once, and never seen half made."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from testbed.commands import say
from testbed.locks import locked
from testbed.paths import cache


def finished(kind: str, name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of a kind; `build` fills an empty one if it is not there yet.

    Waits if another process is just building it.  The name has to change with the content.
    """
    home = cache() / kind / name
    if home.is_dir():
        return home
    with locked(cache() / kind / f"{name}.lock"):
        if not home.is_dir():
            _build(home, build)
    return home


def remove(kind: str) -> None:
    """Delete all folders of a kind."""
    shutil.rmtree(cache() / kind, ignore_errors=True)


def _build(home: Path, build: Callable[[Path], None]) -> None:
    # The rename is what makes it finished: an interrupted build has another name.
    for stale in home.parent.glob(f".{home.name}.*"):
        shutil.rmtree(stale, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{home.name}.", dir=home.parent))
    folder.chmod(0o755)
    started = time.monotonic()
    try:
        build(folder)
        folder.rename(home)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    say(f"{home.name} is ready after {time.monotonic() - started:.0f} s")
