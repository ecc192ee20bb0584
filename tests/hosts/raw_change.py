"""One change as the programs that a controller sends, for tests that start them on the host itself.

So their moments are known to a millisecond, which no command line would allow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from optimizer.host.wire import (
    apply_program,
    confirm_program,
    encode_manifest,
    probe_program,
)
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import FileRef, FileStep, Step, ValueStep
from testbed.host import Host
from tests.hosts.arranged import arranged

FOLDER = "/run/raw-change"
RUN = "r-20261126-150000-race"
# What it changes: a value, 15 to 8, and at its confirmation a file.
RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"
DROP_IN = "/etc/sysctl.d/98-race.conf"
_CONTENT = b"net.ipv4.tcp_retries2 = 8\n"


def ref(content: bytes) -> FileRef:
    """Describe a file of root's with these bytes."""
    return FileRef(sha256=hashlib.sha256(content).hexdigest(), mode="644", owner="0:0")


_STEPS = (
    ValueStep(tunable="t.retries", path=RETRIES_PATH, before="15", after="8"),
    FileStep(path=DROP_IN, before=None, after=ref(_CONTENT)),
)


@contextmanager
def raw_change(
    host: Host,
    timeout: int,
    files: Mapping[str, str] | None = None,
    steps: Sequence[Step] = _STEPS,
    content: bytes = _CONTENT,
) -> Iterator[None]:
    """Have the programs `apply` and `confirm` in FOLDER on a host for a while, and more files.

    timeout: of the safety timer, in seconds. content: of the one file in the steps.
    """
    change = _change(host, tuple(steps), content)
    confirm = confirm_program(RUN, ProbeRequest(), snapshot_id(encode_manifest(change)))
    texts = {
        "apply": apply_program(change, timeout),
        "confirm": confirm.removesuffix(probe_program(ProbeRequest())),
        **(files or {}),
    }
    with arranged(host, f"mkdir {FOLDER}", f"rm -rf {FOLDER}"):
        for name, text in texts.items():
            host.run(f"cat >{FOLDER}/{name}", input=text)
        yield


def _change(host: Host, steps: tuple[Step, ...], content: bytes) -> Snapshot:
    return Snapshot(
        run=RUN,
        kind="apply",
        created="2026-11-26T15:00:00.000000Z",
        profile="race",
        version=1,
        by="ana@desk",
        machine_id=host.run("cat /etc/machine-id").stdout.strip(),
        boot_id=host.boot_id(),
        kernel="any",
        steps=steps,
        blobs={ref(content).sha256: content},
    )
