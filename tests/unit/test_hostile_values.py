"""Values that try to be more than values: in profiles, on the command line, in inventories."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import profiles
from optimizer.host.wire import Logins, assign, encode_manifest, probe_program
from optimizer.model.errors import OptimizerError
from optimizer.model.profile import Profile
from optimizer.model.redis import RedisLogin
from optimizer.model.request import ProbeRequest
from optimizer.views import console
from tests.unit.factories import snapshot
from tests.unit.shell_lab import SHELLS, skip_without

EVIL = (
    "$(touch evil)",
    "`touch evil`",
    "'; touch evil; '",
    '"; touch evil; "',
    "a\\nb",
    "-n",
    "--help",
    "\x1b]0;title\x07\x1b[31mred",
    "\u202egnp.exe",
    "\u2066\u2069",
    "\ufeff",
    "\u2028",
    "\x85",
    "\x0b\x0c\x1c",
    "%s%n",
    "../../../etc/shadow",
    "*",
    "é☃𝄞",
    "x" * 5000,
)
TEXTS = st.one_of(st.sampled_from(EVIL), st.text(max_size=40), st.just("y" * 2**20))
SETTINGS = (
    "system.sysctl.vm.swappiness",
    "system.sysctl.net.ipv4.tcp_congestion_control",
    "system.sysctl.net.ipv4.tcp_rmem",
    "system.sysctl.kernel.printk",
    "system.sysctl.some.thing_unknown",
    "redis.maxmemory-policy",
    "redis.save",
    "postgresql.shared_preload_libraries",
    "node.max-old-space-size",
    "system.logs.sets",
)


def refused_or(text: str, accepted: Profile) -> None:
    """What was taken has no control character left, however it is written."""
    for setting in accepted.settings.values():
        for wanted in setting.alternatives:
            assert str(wanted.value).replace("\t", " ").isprintable(), text


@given(st.sampled_from(SETTINGS), TEXTS)
def test_a_value_on_the_command_line_is_a_value_or_a_clear_error(name: str, text: str) -> None:
    try:
        refused_or(text, profiles.override(Profile("test", 1, "", (), {}), {name: text}))
    except OptimizerError as error:
        assert str(error)


@given(TEXTS)
def test_a_name_on_the_command_line_is_known_or_a_clear_error(name: str) -> None:
    with pytest.raises(OptimizerError):
        profiles.override(Profile("test", 1, "", (), {}), {name: "1"})


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"\x00",
        b"name: a\nset: {system.sysctl.vm.swappiness: \x1b[31m}\n",
        b"name: a\nversion: 1\nset: {system.sysctl.vm.swappiness: " + b"1" * 2**20 + b"}\n",
        b"name: a\nset: " + b"[" * 3000,
        b"name: !!python/object/apply:os.system ['touch evil']\n",
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nname: *c\n",
        "name: a\u202eb\nversion: 1\nset: {}\n".encode(),
        b"",
        b"- 1\n",
        b"name: a\nname: b\n",
    ],
)
def test_a_profile_of_anything_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(OptimizerError):
        profiles.load(str(path))


@given(st.binary(max_size=300))
def test_a_profile_of_any_bytes_is_a_clear_error(content: bytes) -> None:
    folder = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")  # noqa: S108
    path = folder / "optimizer-odd-profile.yaml"
    path.write_bytes(b"name: a\n" + content)
    try:
        profiles.load(str(path))
    except OptimizerError as error:
        assert str(error)
    finally:
        path.unlink()


@pytest.mark.parametrize("shell", SHELLS)
def test_whatever_a_text_has_the_shell_gets_it_as_it_is(shell: str, tmp_path: Path) -> None:
    texts = [text for text in EVIL if len(text) < 100] + ["line\nbreak\n\n", "\t", "a'b\"c"]
    program = "".join(assign(X=text) + "printf '%s\\0' \"$X\"\n" for text in texts)
    done = subprocess.run(
        [*skip_without(shell)],
        input=program.encode(),
        capture_output=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.decode().split("\0")[:-1] == texts
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_with_odd_words_in_it_is_read_as_a_program(shell: str, tmp_path: Path) -> None:
    """What a profile or an inventory may name ends up in variables, and nowhere else."""
    odd = frozenset(text for text in EVIL if len(text) < 100)
    logins: Logins = {"6379": RedisLogin("'; touch evil; '", "$(touch evil)`touch evil`\"'\\")}
    request = ProbeRequest(values=odd, files=odd, redis=odd, node=odd)
    text = probe_program(request, logins).replace("\nprobe_main 2>/dev/null\n", "\n:\n")
    done = subprocess.run(
        [*skip_without(shell)], input=text.encode(), capture_output=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=60))
def test_no_text_steers_the_terminal(text: str) -> None:
    target = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    console.write([f"<{text}>"], target, {})
    target.seek(0)
    shown = target.read()
    assert shown.count("\n") == 1
    for char in shown.removesuffix("\n"):
        assert char == "\t" or ord(char) >= 0x20, repr(char)
        assert (
            char not in "\x7f\x85\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff"
        )


LINES: list[tuple[str, ...]] = [
    ("plan", "@local", "--profile", "\udcff\x1b[31m"),
    ("plan", "@local", "--profile", "development", "--set", "system.sysctl.vm.swappiness=\udcff"),
    ("plan", "@local", "--profile", "development", "--set", "system.sysctl.vm.\udcff\x1b=1"),
    ("plan", "@local", "--profile", "development", "--only", "\x1b]0;x\x07"),
    ("tunable", "show", "\udcff\x1b[1m"),
    ("\x1b[31mplan",),
    ("profile", "lint", "nowhere/\udcff\x1b.yaml"),
]


@pytest.mark.parametrize("words", LINES)
def test_an_odd_command_line_is_a_clear_error(words: tuple[str, ...]) -> None:
    _expect_clear_error(*words)


NAMES = ("h\udcff", "h\x1b[31m", "a..b", "x" * 70, "\u202ehost")


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_name_of_a_host_is_a_clear_error(name: str) -> None:
    _expect_clear_error("plan", name, "--profile", "development")


def _expect_clear_error(*words: str) -> None:
    """In a process of its own: opening a fleet changes how Python does its work."""
    done = subprocess.run(
        [sys.executable, "-m", "optimizer.cli", *words],
        capture_output=True,
        check=False,
        timeout=60,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode in (1, 64)
    assert "Traceback" not in said and "INTERNAL" not in said
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize("label", ["\udcff", "\x1b[31m", "a\tb\nvalue\tx", "x" * 2**20, "\x00"])
def test_a_label_is_one_field_of_a_manifest(label: str) -> None:
    text = encode_manifest(snapshot([], label=label))
    text.encode()
    assert len(text.splitlines()) == len(encode_manifest(snapshot([])).splitlines())
