"""The door for plain pyinfra: `pyinfra INVENTORY deploys/hft.py` does what the CLI does.

pyinfra's own dry run shows no values, and runs an operation's code twice. So the plan is
made once, in the prepare stage, printed there, and handed to one operation as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from optimizer.engine.fleet import PyinfraFleet


def current_fleet() -> PyinfraFleet:
    """Return a fleet of just the host whose deploy code is running."""
    from pyinfra.context import host

    return PyinfraFleet(host.name, [_unwrapped(host)])


def _unwrapped(context: Any) -> Any:
    """The host behind pyinfra's context variable, which changes from greenlet to greenlet."""
    from pyinfra.context import ctx_host

    return ctx_host.get()


def data(name: str, default: str = "") -> str:
    """Read `--data NAME=VALUE` or inventory data of the current host."""
    from pyinfra.context import host

    return str(host.data.get(name, default) or default)


def say(lines: Iterable[str]) -> None:
    """Print lines for the current host, in pyinfra's own way."""
    from pyinfra.context import host

    for line in lines:
        host.log(line)


def fail(why: str) -> None:
    """Stop the deploy on the current host."""
    from pyinfra.api.exceptions import OperationError

    raise OperationError(why)


def add_operation(name: str, work: Callable[[], None], *, is_needed: bool) -> None:
    """Add one operation that does the work in pyinfra's execute stage, if there is any."""
    from pyinfra.api.command import FunctionCommand
    from pyinfra.api.operation import operation

    @operation(is_idempotent=False)  # type: ignore[untyped-decorator]
    def guarded_change() -> Any:
        if is_needed:
            yield FunctionCommand(lambda: work(), [], {})

    guarded_change(name=name)


def user() -> str:
    """Name who runs this, as records do: `user@controller`."""
    import getpass
    import socket

    return f"{getpass.getuser()}@{socket.gethostname()}"
