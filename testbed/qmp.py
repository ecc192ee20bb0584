"""One command to a running QEMU over its control socket."""

import json
import socket
from pathlib import Path
from typing import TextIO

from testbed.errors import TestbedError


def command(path: Path, name: str, /, **arguments: object) -> None:
    """Send one command and wait, at most 10 s, for its answer.

    Raises TestbedError if QEMU refuses it or is not there.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(path))
            with connection.makefile("rw", encoding="utf-8") as stream:
                # The greeting; commands count only after a handshake.
                stream.readline()
                _ask(stream, "qmp_capabilities")
                _ask(stream, name, **arguments)
    except OSError as error:
        raise TestbedError(f"QEMU does not answer at {path}: {error}") from error


def _ask(stream: TextIO, name: str, /, **arguments: object) -> None:
    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "error" in answer:
            raise TestbedError(f"QEMU refused {name}: {answer['error']}")
        # Anything else is news of an event that nobody here waits for.
        if "return" in answer:
            return
    raise TestbedError(f"QEMU ended before it answered {name}")
