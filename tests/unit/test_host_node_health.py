"""The look at Node processes, run for real in each shell: who is asked, and who is believed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from optimizer.app.probing import read_observation
from optimizer.host import node_probe
from optimizer.host.wire import probe_program
from optimizer.model.fleet import Reply
from optimizer.model.node_health import AgentUse, NodeProcess
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest
from tests.unit.shell_lab import SHELLS, Lab, skip_without

# Listens where the probe would, and gives an answer of its own.
_IMPOSTOR = """
require('net').createServer((peer) => {
    peer.on('data', () => peer.end('HTTP/1.0 200 OK\\r\\n\\r\\n%s\\n'))
}).listen(process.env.OPTIMIZER_NODE_DIRECTORY + '/optimizer-node-1.sock')
"""

# Has garbage to collect, and an agent that keeps one socket.
_BUSY = """
const http = require('http')
http.globalAgent = new http.Agent({ keepAlive: true })
const server = http.createServer((asked, answer) => answer.end('ok')).listen(0, '127.0.0.1', () => {
    http.get({ host: '127.0.0.1', port: server.address().port }, (answer) => answer.resume())
})
server.keepAliveTimeout = 60000
setInterval(() => { const all = []; for (let i = 0; i < 1e5; i++) all.push({ i }) }, 20)
"""


@pytest.fixture(params=SHELLS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A host for each of the shells."""
    made = Lab(tmp_path, skip_without(request.param))
    yield made
    made.disarm()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for sockets, whose paths may have some hundred characters; pytest's are longer."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def running(*command: str, place: Path | None = None) -> Iterator[int]:
    """Run a program until the end of the block, by which time it has a socket in a place."""
    variables = {"PATH": os.environ["PATH"]} | (
        {"OPTIMIZER_NODE_DIRECTORY": str(place)} if place else {}
    )
    process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE)
    try:
        patience = time.monotonic() + 30
        while place and not list(place.glob("*.sock")) and time.monotonic() < patience:
            time.sleep(0.02)
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def look(lab: Lab) -> dict[int, NodeProcess]:
    """Look at this machine; its Node processes by number."""
    process = lab.start(probe_program(ProbeRequest(node_health=True)), TMPDIR=str(lab.root))
    text, complaint = process.communicate(timeout=60)
    assert complaint == ""
    seen = read_observation("db-1", Reply(text))
    assert isinstance(seen, Observation), seen
    return {one.pid: one for service in seen.node_health for one in service.processes}


def node(place: Path) -> str:
    """Return a Node binary that only root can change; skip the test without one."""
    found = shutil.which("node")
    if found is None or os.getuid() != 0:
        pytest.skip("this machine has no node, or its processes cannot be looked into")
    place.mkdir()
    return str(Path(found).resolve())


def test_a_probe_is_asked_and_an_impostor_is_not_believed(lab: Lab, short: Path) -> None:
    place, other = short / "own place", short / "other"
    program = node(place)
    other.mkdir()
    probe = lab.root / "probe.cjs"
    probe.write_text(node_probe())
    waiting = "setInterval(() => {}, 1000)"
    with ExitStack() as stack:
        watched = stack.enter_context(
            running(program, "--require", str(probe), "-e", _BUSY, place=place)
        )
        # It speaks for another process, in what may be an escape sequence.
        said = f'{{"pid": {watched}, "version": "\\\\u001b[2J"}}'
        lying = stack.enter_context(running(program, "-e", _IMPOSTOR % said, place=other))
        plain = stack.enter_context(running(program, "-e", waiting))
        seen = look(lab)
    found = seen[watched].probe
    assert found is not None
    assert 0 < found.heap_used < found.heap_limit
    assert seen[watched].rss == pytest.approx(found.rss, rel=0.2)
    assert (seen[watched].open_files or 0) > 10
    kinds = found.start.kinds
    assert sum(one.count for one in kinds.values()) == found.start.pauses.count
    assert kinds["minor"].count > 0
    assert found.window.pauses.max <= found.start.pauses.max < found.uptime
    assert 0 < found.window.utilization < 1
    assert found.agents == {"http": AgentUse(used=0, free=1, waiting=0)}
    assert found.resources["TCPServerWrap"] == 1
    assert (seen[lying].probe, seen[lying].problem) == (None, "another process answers")
    assert (seen[plain].probe, seen[plain].problem) == (None, "")


def test_a_program_of_root_that_others_can_change_is_not_run(lab: Lab, short: Path) -> None:
    place = short / "place"
    program = node(place)
    # The directory for all, in which the copy lies, is enough.
    open_to_all = lab.root / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    copy = shutil.copy(program, open_to_all / "node")
    probe = lab.root / "probe.cjs"
    probe.write_text(node_probe())
    code = "setInterval(() => {}, 1000)"
    with running(str(copy), "--require", str(probe), "-e", code, place=place) as pid:
        seen = look(lab)[pid]
    assert seen.probe is None
    assert seen.problem == f"{copy} is run by root and can be changed by others"


def test_a_name_of_a_folder_does_not_make_another_process_node(lab: Lab) -> None:
    node(lab.root / "place")
    # As a line of the list of all programs would look.
    folder = lab.root / f"x\nlrwxrwxrwx 1 0 0 0 Nov 26 11:00 /proc/{os.getpid()}" / "exe -> "
    folder.mkdir(parents=True)
    copy = shutil.copy(shutil.which("sleep") or "", folder / "node")
    with running(str(copy), "60") as pid:
        seen = look(lab)
        program = probe_program(ProbeRequest(node=frozenset({"NODE_OPTIONS"})))
        text, _ = lab.start(program, TMPDIR=str(lab.root)).communicate(timeout=60)
    assert os.getpid() not in seen and pid not in seen
    names = {line.split("\t")[1] for line in text.splitlines() if line.startswith("node\t")}
    assert names.isdisjoint({f"pid {os.getpid()}", f"pid {pid}"})


def test_every_node_can_read_the_probe() -> None:
    """A version that cannot would not start: it has only what all of them know."""
    code = re.sub(r"^\s*//.*$", "", node_probe(), flags=re.MULTILINE)
    assert (
        re.findall(r"\?\.|\?\?|=>|\.\.\.|`|\b(?:async|await|class|import|export)\b|#[a-z]", code)
        == []
    )
