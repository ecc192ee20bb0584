"""What `deploys/` and `rollback/` call: the same use cases as the CLI, driven by pyinfra.

`pyinfra INVENTORY deploys/hft.py --dry` prints the plan of each host, and without --dry the
same guarded change is made: compare, journal, safety timer, write, confirm or restore.
"""

from __future__ import annotations

from optimizer.app.apply import apply
from optimizer.app.plan import plan
from optimizer.app.requests import ApplyOptions, ProfileRequest
from optimizer.app.rollback import plan_rollback
from optimizer.engine import door
from optimizer.model.plan import HostPlan, Plan
from optimizer.model.result import HostOutcome
from optimizer.model.tunable import Permission
from optimizer.views import changes
from optimizer.views.text import Look


def tune(profile: str = "") -> None:
    """Bring the current host to a profile; without a name to the one its inventory data names.

    `--data optimizer_allow=restart` allows what needs it, `--data optimizer_confirm_timeout=300`
    gives the host more time (seconds) before it restores itself.
    """
    fleet = door.current_fleet()
    allow = frozenset(Permission(word) for word in door.data("optimizer_allow").split(",") if word)
    _carry_out(plan(fleet, ProfileRequest(name=profile), allow), "Apply the profile", allow)


def undo(snapshot: str = "last") -> None:
    """Take the current host back to where a snapshot was taken.

    `--data optimizer_include_foreign=yes` takes back what somebody else changed since, too.
    """
    include_foreign = door.data("optimizer_include_foreign").lower() in ("yes", "true", "1")
    allow = frozenset(Permission(word) for word in door.data("optimizer_allow").split(",") if word)
    back = plan_rollback(door.current_fleet(), snapshot, include_foreign, allow)
    _carry_out(back, "Roll back", allow)


def _carry_out(made: Plan, what: str, allow: frozenset[Permission]) -> None:
    """Print the plan now, in pyinfra's prepare stage, and hand it to its execute stage."""
    (host,) = made.hosts
    if host.state != "planned":
        door.fail(f"{host.error} {host.hint}".strip())
    look = Look()
    door.say([*changes.by_module(host.changes, look), *changes.files(host.files, look)])
    options = ApplyOptions(
        allow=allow,
        confirm_timeout=int(door.data("optimizer_confirm_timeout", "120")),
        by=door.user(),
    )
    door.add_operation(what, lambda: _apply(made, host, options), is_needed=not host.is_empty)


def _apply(made: Plan, host: HostPlan, options: ApplyOptions) -> None:
    (outcome,) = apply(door.current_fleet(), made, options).hosts
    if outcome.state not in ("applied", "unchanged"):
        door.fail("; ".join([outcome.state, *_problems(outcome)]))
    door.say([f"{outcome.state}, snapshot {outcome.snapshot[:12]} brings {host.name} back"])


def _problems(outcome: HostOutcome) -> list[str]:
    return [f"{one.tunable or one.path} {one.what}".strip() for one in outcome.problems]
