"""Asking a person before hosts are changed."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optimizer.cli import exits
from optimizer.cli.errors import BrokenChange, Declined, PlanRefused
from optimizer.cli.options import ChangeArguments, ConsentArguments
from optimizer.cli.verb import Answer, progress_of, show_now
from optimizer.model.errors import ConfirmationNeeded, OptimizerError

if TYPE_CHECKING:
    from optimizer.app.requests import ApplyOptions
    from optimizer.model.fleet import Fleet
    from optimizer.model.plan import Plan
    from optimizer.views.text import Asked

# Above this a reflex is not enough: the number of hosts has to be typed.
_FEW_HOSTS = 10


def require(arguments: ChangeArguments, verb: str) -> None:
    """Make sure that somebody agrees or can be asked; ConfirmationNeeded otherwise."""
    if not arguments.yes and not _can_ask(arguments):
        raise ConfirmationNeeded(verb=verb)


def _can_ask(arguments: ChangeArguments) -> bool:
    is_silent = arguments.is_json or arguments.no_input
    return not is_silent and sys.stdin.isatty() and sys.stderr.isatty()


def carry_out(fleet: Fleet, plan: Plan, arguments: ChangeArguments, asked: Asked) -> Answer:
    """Show a plan, ask, and apply it; PlanRefused or Declined leave the hosts as they are."""
    from optimizer.app.apply import apply
    from optimizer.views import apply as apply_view
    from optimizer.views import plan as plan_view

    if not arguments.is_json:
        show_now(lambda look: plan_view.render(plan, look, asked), arguments)
    _check(plan)
    if not arguments.yes and any(not host.is_empty for host in plan.hosts):
        _ask(plan, arguments, asked)
    with changing(), progress_of(arguments) as progress:
        result = apply(fleet, plan, options(arguments), progress)
    return Answer(
        text=lambda look: apply_view.render(result, look, asked),
        document=lambda: result,
        code=exits.apply_code(result),
        has_changed=True,
    )


def options(arguments: ConsentArguments) -> ApplyOptions:
    """Return how a plan is carried out."""
    from optimizer.app.requests import ApplyOptions

    return ApplyOptions(
        allow=arguments.permissions,
        confirm_timeout=arguments.confirm_timeout,
        confirm=not arguments.no_confirm,
        by=author(),
    )


def author() -> str:
    """Return who changes hosts, `user@controller`, for the records."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container often runs under a user id that has no name.
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _check(plan: Plan) -> None:
    refused = [host for host in plan.hosts if host.state == "refused"]
    if refused:
        first = refused[0]
        raise PlanRefused(why=first.error or first.name, host=first.name, hint=first.hint)


def _ask(plan: Plan, arguments: ChangeArguments, asked: Asked) -> None:
    """Ask for agreement; Declined without it."""
    from optimizer.views import plan as plan_view

    if not sys.stdout.isatty():
        # The plan went into a file or a pipe, and is what the question is about.
        show_now(lambda look: plan_view.render(plan, look, asked), arguments, sys.stderr)
    hosts = sum(not host.is_empty for host in plan.hosts)
    wanted = "y" if hosts <= _FEW_HOSTS else str(hosts)
    prompt = "[y/N]" if hosts <= _FEW_HOSTS else "Type the number of hosts to go on:"
    print(f"{plan_view.question(plan)} {prompt}", end=" ", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    if answer not in ({"y", "yes"} if wanted == "y" else {wanted}):
        raise Declined()


@contextmanager
def changing() -> Iterator[None]:
    """Make a defect that is met in the middle of a change end with the code that says so."""
    try:
        yield
    except OptimizerError:
        raise
    except Exception as error:
        raise BrokenChange(what=f"{type(error).__name__}: {error}") from error
