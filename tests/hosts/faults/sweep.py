"""Cut a change off at one point after the other, and see that the host is whole each time."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from tests.hosts.controller import PATIENCE, PROFILES, QUICK, Controller
from tests.hosts.faults.area import Area
from tests.hosts.faults.cutter import HOLD, Point
from tests.hosts.faults.faulty import FaultyHost
from tests.hosts.lab import STATE, TWIN, TWIN_LINK, without_records
from tests.hosts.scan import Differences, Scan, difference

BEFORE, CONFIRMED = "as before", "confirmed"

# What runs before the program that is cut off, from a host that is as before; from one that is
# confirmed, only what comes after `confirm`.
_FIRST = {
    "apply": (),
    "confirm": ("apply",),
    "restore": ("apply",),
    "undo": ("apply", "confirm"),
    "undone": ("apply", "confirm", "undo"),
}
PHASES = tuple(_FIRST)
# A service that was started again is as good as before. Path units fail when this machine has no
# inotify instances left for its containers; systemd remembers what was mounted over /etc; a module
# that connections use stays loaded.
_APART = (
    *("pid ", "unit systemd-ask-password-", "unit etc.mount"),
    *("module tcp_", "sysctl net.ipv4.tcp_available_congestion_control"),
)
# By this a confirmation is final: the journal becomes a snapshot.
_COMMIT = f"kill rename:{STATE}/snapshots/"
# What a restore may take on a loaded machine, in seconds.
_SLACK = 15
_ALLOWED = ("--allow", "restart", "--allow", "reboot")


@dataclass(frozen=True)
class Verdict:
    """What became of a host that was cut off.

    state: as before, confirmed, or empty where it is neither; point: None where there was none
    of that number any more. left: what is neither, held against the nearer of the two.
    """

    point: Point | None
    state: str
    left: Differences

    @property
    def is_survived(self) -> bool:
        """Whether the host is entirely one or the other."""
        return bool(self.state)


class Sweep:
    """One area of one host, recorded once, and then cut off again and again."""

    def __init__(self, faulty: FaultyHost, area: Area, controller: Controller) -> None:
        self._faulty = faulty
        self._area = area
        self._controller = controller
        self._sights: dict[str, Scan] = {}
        self._is_confirmed = False
        self.points: dict[str, tuple[Point, ...]] = {}

    def record(self) -> None:
        """Make the change and its rollback once, uncut; the host is as before afterwards."""
        faulty, one = self._faulty, self._controller
        # A host does some things only the first time: a cache is made, and later read.
        one.apply(*self._wanted("600")).expect(0)
        one.rollback(*_ALLOWED, "--confirm-timeout", "600").expect(0)
        faulty.clear()
        self._sights[BEFORE] = self._area.sight(faulty.host)
        faulty.order("record", "record", "record")
        one.apply(*self._wanted("600")).expect(0)
        self.points |= faulty.keep("plan", "apply", "confirm")
        self._sights[CONFIRMED] = self._area.sight(faulty.host)
        faulty.order("pass", "record", "record")
        one.rollback(*_ALLOWED, "--confirm-timeout", "600").expect(0)
        self.points |= faulty.keep("undo", "undone")
        # A restore has the most to put back when it follows a confirmation that was nearly done.
        self.points["restore"] = faulty.cut(*self._programs("restore", "kill 0"))
        verdict = self._judged(self.points["restore"])
        assert verdict.state == BEFORE, f"it does not even come back uncut: {verdict.left}"

    def numbers(self, phase: str, *, only_room: bool = False) -> list[int]:
        """Return which changes of a phase are points.

        only_room: those that take room on a disk, which are numbered by themselves then.
        """
        points = [point for point in self.points[phase] if point.takes_room or not only_room]
        pairs = zip(points, [None, *points], strict=False)
        # Of what is written into one file in a row the first.
        borrowed = [
            at
            for at, (point, last) in enumerate(pairs, start=1)
            if point.is_borrowed and not (last and point.is_like(last))
        ]
        own = [at for at, point in enumerate(points, start=1) if not point.is_borrowed]
        return sorted(own + borrowed[:: self._area.borrowed])

    def is_beyond_boot(self, phase: str, number: int) -> bool:
        """Whether the next boot has nothing to go by: the unit is not there yet, or half gone."""
        points = {(one.kind, one.what): one.number for one in self.points[phase]}
        return number <= points.get(("link", TWIN_LINK), 0) or number == points.get(
            ("unlink", TWIN)
        )

    def cut(self, phase: str, order: str) -> Verdict:
        """Cut one phase of a change off as ordered, let the host recover, and look at it."""
        return self._judged(self._faulty.cut(*self._programs(phase, order)))

    def lose_power(self, phase: str, number: int) -> Verdict:
        """Cut the power at one change of a phase, and boot the host again."""
        return self._judged(self._faulty.lose_power(*self._programs(phase, f"kill {number}")))

    @property
    def patience(self) -> int:
        """Seconds after which a host that hears nothing more has surely put itself back."""
        return int(QUICK) + self._area.patience + _SLACK

    def lose_controller(self, phase: str, number: int, *, cut: int | None = None) -> Verdict:
        """Kill the controller while a command of it stands still, or cut the network there.

        cut: for how many seconds the network is cut; the controller is killed unless it is given.
        The real timer has to bring the host back.
        """
        self.take_back()
        position = ("apply", "confirm").index(phase)
        self._faulty.order(*["pass"] * (1 + position), f"strike {number} {HOLD}")
        process = self._controller.start(
            "apply", self._controller.inventory, "--yes", *self._wanted(QUICK)
        )
        if not self._faulty.is_held():
            # The change came to its end without that many changes.
            process.communicate(timeout=PATIENCE)
            return self._judged(())
        if cut is None:
            process.send_signal(signal.SIGKILL)
        else:
            self._faulty.host.disconnect()
            time.sleep(cut)
            self._faulty.host.reconnect()
        process.communicate(timeout=PATIENCE)
        return self._judged(self._faulty.settle())

    def _wanted(self, timeout: str) -> tuple[str, ...]:
        only = (word for glob in self._area.only for word in ("--only", glob))
        profile = str(PROFILES / f"{self._area.profile}.yaml")
        return ("--profile", profile, *only, *_ALLOWED, "--confirm-timeout", timeout)

    def take_back(self) -> None:
        """Have the host as before."""
        if self._is_confirmed:
            self._faulty.run("undo", "undone")
        self._is_confirmed = False

    def _programs(self, phase: str, order: str) -> tuple[tuple[str, str], ...]:
        """Have the host where a phase begins, or can be come to; return what is left to be run."""
        first = _FIRST[phase]
        if self._is_confirmed and "confirm" in first:
            first = first[first.index("confirm") + 1 :]
        else:
            self.take_back()
            self._faulty.clear()
        programs = [(name, "") for name in first]
        if phase == "restore":
            programs.append(("confirm", _COMMIT))
        return (*programs, (phase, order))

    def _judged(self, points: tuple[Point, ...]) -> Verdict:
        now = self._area.sight(self._faulty.host)
        left = {state: _left(sight, now) for state, sight in self._sights.items()}
        state = next((state for state, changes in left.items() if not changes), "")
        self._is_confirmed = state == CONFIRMED
        return Verdict(points[-1] if points else None, state, min(left.values(), key=len))


def _left(wanted: Scan, now: Scan) -> Differences:
    """Return what is not as wanted."""
    changes = without_records(difference(wanted, now))
    return {key: change for key, change in changes.items() if not key.startswith(_APART)}
