"""Inventories as pyinfra takes them, and the optimizer's own data in them."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from optimizer.engine.logins import logins_of
from optimizer.model.errors import InventoryError
from optimizer.model.fleet import Target

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State


def load_state(inventory: str, connect_timeout: int) -> State:
    """Read an inventory into a fresh pyinfra state; connect_timeout in seconds.

    InventoryError: it is missing, does not run, or has no hosts.
    """
    from pyinfra.api.config import Config
    from pyinfra.api.state import State
    from pyinfra.context import ctx_state
    from pyinfra_cli.inventory import make_inventory

    _refuse_missing(inventory)
    _refuse_misnamed(inventory)
    # pyinfra logs what it does; the optimizer says it in its own words.
    logging.getLogger("pyinfra").setLevel(logging.CRITICAL)
    try:
        # make_inventory needs a state in context, although it makes none of its own.
        with ctx_state.use(State()), contextlib.redirect_stdout(io.StringIO()):
            made = make_inventory(inventory, cwd=str(Path.cwd()))
    except KeyboardInterrupt:
        raise
    except (Exception, SystemExit) as error:
        raise InventoryError(inventory=inventory, what=_cause(error, inventory)) from error
    state = State()
    state.init(made, Config(CONNECT_TIMEOUT=connect_timeout))
    if not list(state.inventory):
        raise InventoryError(inventory=inventory, what="there is no host in it")
    for host in state.inventory:
        if wrong := _why_unprintable(host.name):
            raise InventoryError(inventory=inventory, what=wrong)
    return state


def _refuse_missing(inventory: str) -> None:
    looks_like_path = "/" in inventory and not inventory.startswith("@")
    if (looks_like_path or inventory.endswith(".py")) and not Path(inventory).exists():
        raise InventoryError(inventory=inventory, what="there is no such file")
    if Path(inventory).is_file():
        try:
            Path(inventory).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InventoryError(inventory=inventory, what=f"it cannot be read: {error}") from error


def _refuse_misnamed(inventory: str) -> None:
    """Refuse `host1,host2` with a name that is none: looking it up would print a traceback."""
    if Path(inventory).is_file():
        return
    for name in inventory.split(","):
        wrong = "" if name.startswith("@") else why_misnamed(name)
        if wrong := wrong or _why_unprintable(name):
            raise InventoryError(inventory=repr(inventory)[1:-1], what=wrong)


def _why_unprintable(name: str) -> str:
    return "" if name.isprintable() else f"the name of a host has a control character: {name!r}"


def why_misnamed(name: str) -> str:
    """Say why no host can have a name; empty where one can."""
    try:
        name.encode("idna")
    except UnicodeError as error:
        return f"{name!r} is no name of a host: {error}"
    return ""


def _cause(error: BaseException, inventory: str) -> str:
    """Say what an inventory or its group data stumbled over, with the line where that is known."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    # pyinfra wraps what a file raises, and its wrapper fails when it is asked for its text.
    file = getattr(error, "filename", inventory)
    raised = getattr(error, "exception", error)
    lines = [at for frame, at in walk_tb(raised.__traceback__) if frame.f_code.co_filename == file]
    named = "" if file == inventory else f"{file} "
    place = f" ({named}line {lines[-1]})" if lines else ""
    said = f": {raised}" if str(raised) else ""
    return f"{type(raised).__name__}{said}{place}"


def limited(state: State, patterns: Sequence[str]) -> list[Host]:
    """Pick the hosts whose name or group fits one of the patterns; all without patterns."""
    hosts = list(state.inventory)
    if not patterns:
        return hosts
    chosen = [
        host
        for host in hosts
        if any(
            fnmatchcase(name, pattern) for name in (host.name, *host.groups) for pattern in patterns
        )
    ]
    if not chosen:
        raise InventoryError(
            inventory=", ".join(patterns),
            what="no host or group fits --limit",
            hint=f"The inventory has {', '.join(host.name for host in hosts[:10])}.",
        )
    return chosen


def target_of(host: Host) -> Target:
    """Read the optimizer's data of one host. InventoryError: it has the wrong shape."""
    keys = ("redis_user", "redis_password", "redis_url")
    logins = logins_of(host.name, {key: host.data.get(key) for key in keys})
    return Target(
        name=host.name,
        logins=logins.by_server,
        redis_urls=logins.by_url,
        postgres_dsn=str(host.data.get("postgres_dsn") or ""),
        is_local=host.name == "@local",
        profile=str(host.data.get("optimizer_profile", "") or ""),
        overrides={key: _flow(value) for key, value in _mapping(host, "optimizer_set").items()},
        pins={key: str(value or "") for key, value in _mapping(host, "optimizer_pin").items()},
    )


def _mapping(host: Host, key: str) -> Mapping[str, Any]:
    value = host.data.get(key, {})
    if isinstance(value, str):
        return {value: ""}
    if isinstance(value, (list, tuple, set)):
        return dict.fromkeys(map(str, value), "")
    if isinstance(value, dict):
        return {str(name): one for name, one in value.items()}
    raise InventoryError(
        inventory=host.name, what=f"{key} is a {type(value).__name__}, not a dict or a list"
    )


def _flow(value: object) -> str:
    """Write a value of inventory data as `--set` would take it."""
    if isinstance(value, (dict, list)):
        import json

        return json.dumps(value)
    return str(value)
