"""One command on one host over a connection of its own, with failures as data."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.engine.inventory import why_misnamed
from optimizer.engine.privilege import DIRECT, ELEVATED, standard_input
from optimizer.model.fleet import Reply

if TYPE_CHECKING:
    from paramiko import Transport
    from pyinfra.api.host import Host
    from pyinfra.connectors.base import BaseConnector

PASSWORD_VARIABLE = "OPTIMIZER_SUDO_PASSWORD"  # noqa: S105 - the name of a variable

# Seconds: how often a sign of life is asked for, and how long the network may swallow it.
_KEEPALIVE = 5
_SILENCE = 15.0

# Keys are checked unless the inventory says otherwise: a trading host is never trusted blindly.
_HOST_KEY_CHECKING = "ssh_strict_host_key_checking"
_CONNECT_ARGUMENTS = "ssh_paramiko_connect_kwargs"


def run_program(host: Host, program: str, timeout: float) -> Reply:
    """Connect, run a shell program with root's rights where possible, disconnect.

    timeout in seconds. Never raises: a host must not take the rest of the fleet down.
    """
    wrong = _misnamed(host)
    if wrong:
        return Reply(error=wrong, is_reached=False)
    _prepare(host)
    connector = host.connector_cls(host.state, host)
    try:
        connector.connect()
        _keep_asking(connector)
    except Exception as error:
        return _unreached(error)
    try:
        return _command(host, connector, program, timeout)
    except TimeoutError:
        return Reply(error=f"it gave no answer within {timeout:.0f} s")
    except Exception as error:
        return Reply(error=f"the connection broke: {_text(error)}")
    finally:
        _close(connector)


def _misnamed(host: Host) -> str:
    """Say why the resolver would fail over a name, which gevent prints as a traceback."""
    name = str(host.data.get("ssh_hostname") or host.name)
    # Those of other connectors are not looked up.
    return "" if name.startswith("@") else why_misnamed(name)


def _prepare(host: Host) -> None:
    """Say how a host is connected to, where its inventory data does not."""
    if host.data.get(_HOST_KEY_CHECKING) is None:
        setattr(host.data, _HOST_KEY_CHECKING, "yes")
    given = host.data.get(_CONNECT_ARGUMENTS) or {}
    setattr(host.data, _CONNECT_ARGUMENTS, {"transport_factory": _transport, **given})


def _transport(connected: Any, **options: Any) -> Transport:
    """Make paramiko's transport over a socket that sends at once and notices a silent network."""
    from paramiko import Transport

    # A connection through another host is not a socket.
    if isinstance(connected, socket.socket):
        # Nagle's algorithm costs some 40 ms a login, and as much a command; paramiko leaves it on.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            limit = int(_SILENCE * 1000)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit)
    return Transport(connected, **options)


def _keep_asking(connector: BaseConnector) -> None:
    """Send something while an answer is waited for: otherwise nothing is missed."""
    client = getattr(connector, "client", None)
    transport = client.get_transport() if client else None
    if transport is not None:
        transport.set_keepalive(_KEEPALIVE)


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def _unreached(error: Exception) -> Reply:
    why = _text(error)
    hint = ""
    if "known_hosts" in why or "ost key" in why:
        hint = "Check the host's key, then add it to known_hosts, for example with ssh-keyscan."
    return Reply(error=why, hint=hint, is_reached=False)


def _command(host: Host, connector: BaseConnector, program: str, timeout: float) -> Reply:
    from pyinfra.api.command import QuoteString, StringCommand

    elevate = host.data.get("_sudo", True)
    password = str(host.data.get("_sudo_password", "") or os.environ.get(PASSWORD_VARIABLE, ""))
    command = StringCommand("sh", "-c", QuoteString(ELEVATED if elevate else DIRECT))
    arguments: dict[str, Any] = {"_stdin": standard_input(program, password), "_timeout": timeout}
    _, output = connector.run_shell_command(command, **arguments)
    return _read(Reply(text=output.stdout), output.stderr)


def _read(reply: Reply, complaint: str) -> Reply:
    if "denied\tsudo" in reply.text.splitlines():
        return replace(
            reply,
            error="sudo did not accept the password",
            hint=f"It comes from _sudo_password in the inventory, or from {PASSWORD_VARIABLE}.",
        )
    if not reply.text and complaint:
        return replace(reply, error=complaint.splitlines()[-1])
    return reply


def _close(connector: BaseConnector) -> None:
    """Really close the connection; pyinfra's own disconnect leaves it open."""
    client = getattr(connector, "client", None)
    if client is not None:
        client.close()
