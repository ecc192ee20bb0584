"""Progress on stderr: a bar for a person, one line now and then for a log.

Nothing is shown for a phase that takes less than two seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from optimizer.views import console
from optimizer.views.text import count

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 2.0
_BETWEEN_LINES = 10.0


class Quiet:
    """Say nothing."""

    def phase(self, text: str, total: int) -> None:
        """Ignore it."""

    def host(self, name: str, text: str) -> None:
        """Ignore it."""

    def close(self) -> None:
        """Do nothing, there is nothing on the screen."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave a clean screen, whatever happened."""
        self.close()


class Lines(Quiet):
    """For logs: one line per phase, at most every ten seconds; every host when verbose."""

    def __init__(
        self,
        write: Callable[[str], None],
        is_verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `write`; `clock` counts seconds."""
        self._write = write
        self._is_verbose = is_verbose
        self._clock = clock
        self._text = ""
        self._total = self._done = 0
        self._next = 0.0

    def phase(self, text: str, total: int) -> None:
        """Begin a phase over `total` hosts."""
        self._text, self._total, self._done = text, total, 0
        self._next = self._clock() + _PATIENCE

    def host(self, name: str, text: str) -> None:
        """Count a host, and say so when it is time to."""
        self._done += 1
        if self._is_verbose:
            self._write(f"{name}: {text}")
        elif self._clock() >= self._next:
            self._write(f"{self._text}: {self._done} of {count(self._total, 'host')}")
            self._next = self._clock() + _BETWEEN_LINES


class Bar(Quiet):
    """For a person: one bar per phase, gone when the phase is over.

    Made after the engine has made threads cooperative: a lock from before that would stop
    the whole process as soon as two of them want it.
    """

    def __init__(
        self, stream: TextIO, environ: Mapping[str, str], patience: float = _PATIENCE
    ) -> None:
        """Draw on `stream` once a phase takes longer than `patience` seconds."""
        self._stream = stream
        self._environ = environ
        self._patience = patience
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._text = ""
        self._total = self._done = 0

    def phase(self, text: str, total: int) -> None:
        """Begin a phase over `total` hosts; its bar appears when it takes long."""
        self.close()
        self._text, self._total, self._done = text, total, 0
        self._timer = threading.Timer(self._patience, self._show, (self._stream,))
        self._timer.daemon = True
        self._timer.start()

    def host(self, name: str, text: str) -> None:
        """Move the bar on."""
        with self._lock:
            self._done += 1
            if self._bar and self._task is not None:
                self._bar.update(self._task, completed=self._done)

    def close(self) -> None:
        """Take the bar away."""
        timer, self._timer = self._timer, None
        if timer:
            timer.cancel()
        with self._lock:
            shown, self._bar = self._bar, None
        if shown:
            shown.stop()

    def _show(self, stream: TextIO) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

        with self._lock:
            if self._timer is None:
                return
            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            target = console.console(stream, self._environ)
            self._bar = Progress("{task.description}", *columns, console=target, transient=True)
            self._task = self._bar.add_task(self._text, total=self._total, completed=self._done)
            self._bar.start()


def progress(stream: TextIO, environ: Mapping[str, str], is_quiet: bool, is_verbose: bool) -> Quiet:
    """Return the progress that fits a stream."""
    if is_quiet:
        return Quiet()
    if console.is_animated(stream, environ) and not is_verbose:
        return Bar(stream, environ)
    return Lines(lambda line: console.write([line], stream, environ), is_verbose)
