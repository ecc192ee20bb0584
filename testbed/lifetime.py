"""Which hosts this process runs, and that they end with it."""

import atexit
import contextlib
import os
import signal
import threading
from abc import ABC, abstractmethod
from types import FrameType, TracebackType
from typing import Protocol, Self

from testbed import slot
from testbed.commands import say


class Stoppable(Protocol):
    """Something with a name that can be stopped."""

    name: str

    def stop(self) -> None:
        """Stop it and remove all of it."""


class Lasting(ABC):
    """Something that `with` starts, and that is gone after it."""

    @abstractmethod
    def start(self) -> None:
        """Start it; nothing of it is left behind when that fails."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it and remove all of it; harmless if it is not running."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


# Reentrant: a signal may arrive while its own thread holds it.
_guard = threading.RLock()
_running: list[Stoppable] = []
_slot: slot.Slot | None = None
_owner = 0


def current_slot() -> slot.Slot:
    """The slot of this process, taken at the first call."""
    global _slot, _owner
    with _guard:
        if _slot is None or _owner != os.getpid():
            if _owner != os.getpid():
                # What a forked child has inherited is not its own.
                _running.clear()
            _slot, _owner = slot.take(), os.getpid()
        return _slot


def add(host: Stoppable) -> None:
    """Have `host` stopped when this process ends; from now on the slot is kept for it."""
    with _guard:
        current_slot()
        _running.append(host)


def discard(host: Stoppable) -> None:
    """Forget `host`; with the last one the slot and its bridge go too."""
    global _slot
    with _guard:
        if host in _running:
            _running.remove(host)
        if not _running and _slot is not None and _owner == os.getpid():
            _slot.release()
            _slot = None


def stop_all() -> None:
    """Stop every host of this process."""
    if _owner != os.getpid():
        # A forked child has inherited the list, but not the hosts.
        return
    for host in list(_running):
        try:
            host.stop()
        except Exception as error:
            say(f"{host.name} could not be stopped: {error}")


def arrange_end() -> None:
    """See to it that `stop_all` runs when this process ends or is told to.

    Signals are only heard if the main thread has called this.
    """
    atexit.unregister(stop_all)
    atexit.register(stop_all)
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Somebody else's handler is left alone: it ends the process in its own way.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _on_signal)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(Exception):
        stop_all()
    os.kill(os.getpid(), number)
