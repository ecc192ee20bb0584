"""What systemd-sysctl will do at the next boot: sysctl.d(5) as a table, and the original."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.model.observation import ConfigLine, Observation
from optimizer.resources import boot_order, sysctl
from tests.unit.factories import FACTS, config_of

SWAPPINESS = "vm/swappiness"
FILTER = "net/ipv4/conf/{}/rp_filter"
KEYS = (SWAPPINESS, *(FILTER.format(name) for name in ("all", "default", "eth0", "eth0.100")))
ETC, RUN, LOCAL, LIB = (f"/{top}/sysctl.d/" for top in ("etc", "run", "usr/local/lib", "usr/lib"))
DIRECTORIES = (ETC, RUN, LOCAL, LIB)


def boot(files: Mapping[str, str]) -> dict[str, str]:
    """Return what our code says that boot sets; files: path -> text."""
    seen = Observation(FACTS, **config_of("sysctl", files))
    found = sysctl.boot_values(sysctl.reading_order(seen), KEYS)
    return {key: one.text for key, one in found.items() if one.text is not None}


@dataclass(frozen=True)
class Case:
    """Files, and what the next boot sets; keys that are missing are left alone."""

    about: str
    files: Mapping[str, str]
    sets: Mapping[str, str]


CASES = (
    Case("one line", {f"{ETC}a.conf": "vm.swappiness = 5"}, {SWAPPINESS: "5"}),
    Case("nothing at all", {}, {}),
    Case(
        "a file hides its namesake in a directory of lower priority",
        {f"{LIB}a.conf": "vm.swappiness=1", f"{RUN}a.conf": "vm.swappiness=2"},
        {SWAPPINESS: "2"},
    ),
    Case(
        "/etc hides /run, /run hides /usr/local/lib, that hides /usr/lib",
        {f"{directory}a.conf": f"vm.swappiness={at}" for at, directory in enumerate(DIRECTORIES)},
        {SWAPPINESS: "0"},
    ),
    Case(
        "/usr/local/lib hides /usr/lib",
        {f"{LOCAL}a.conf": "vm.swappiness=2", f"{LIB}a.conf": "vm.swappiness=3"},
        {SWAPPINESS: "2"},
    ),
    Case(
        "an empty file hides its namesake",
        {f"{ETC}a.conf": "", f"{LIB}a.conf": "vm.swappiness=1"},
        {},
    ),
    Case(
        "files are read by name, whatever directory they are in",
        {f"{ETC}10-a.conf": "vm.swappiness=1", f"{LIB}20-b.conf": "vm.swappiness=2"},
        {SWAPPINESS: "2"},
    ),
    Case(
        "names are compared as bytes: 9 comes after 10",
        {f"{ETC}9.conf": "vm.swappiness=9", f"{ETC}10.conf": "vm.swappiness=10"},
        {SWAPPINESS: "9"},
    ),
    Case(
        "the last line wins",
        {f"{ETC}a.conf": "vm.swappiness=1\nvm.swappiness=2"},
        {SWAPPINESS: "2"},
    ),
    Case(
        "a dash before an assignment only forgives its failure",
        {f"{ETC}a.conf": "-vm.swappiness = 7"},
        {SWAPPINESS: "7"},
    ),
    Case(
        "comments and empty lines count for nothing",
        {f"{ETC}a.conf": "\n# vm.swappiness=1\n  ; vm.swappiness=2\n \nvm.swappiness=3\n"},
        {SWAPPINESS: "3"},
    ),
    Case("a line without = is no assignment", {f"{ETC}a.conf": "vm.swappiness 5"}, {}),
    Case("slashes separate too", {f"{ETC}a.conf": "vm/swappiness=5"}, {SWAPPINESS: "5"}),
    Case("a leading slash is dropped", {f"{ETC}a.conf": "/vm/swappiness=5"}, {SWAPPINESS: "5"}),
    Case(
        "after a slash, dots are part of a name",
        {f"{ETC}a.conf": "net/ipv4/conf/eth0.100/rp_filter=2"},
        {FILTER.format("eth0.100"): "2"},
    ),
    Case(
        "between dots, a slash stands for the dot of a VLAN",
        {f"{ETC}a.conf": "net.ipv4.conf.eth0/100.rp_filter=2"},
        {FILTER.format("eth0.100"): "2"},
    ),
    Case(
        "a pattern is for every name that fits",
        {f"{ETC}a.conf": "net.ipv4.conf.*.rp_filter = 2"},
        {key: "2" for key in KEYS[1:]},
    ),
    Case(
        "a star stays between two separators",
        {f"{ETC}a.conf": "net.ipv4.*.rp_filter = 2"},
        {},
    ),
    Case(
        "question marks and sets are patterns too",
        {f"{ETC}a.conf": "net.ipv4.conf.eth?.rp_filter=1\nnet.ipv4.conf.[ad]*.rp_filter=2"},
        {FILTER.format("eth0"): "1", FILTER.format("all"): "2", FILTER.format("default"): "2"},
    ),
    Case(
        "a line that names the key beats a pattern, wherever it stands",
        {
            f"{ETC}a.conf": "net.ipv4.conf.all.rp_filter=1",
            f"{ETC}b.conf": "net.ipv4.conf.a*.rp_filter=2",
        },
        {FILTER.format("all"): "1"},
    ),
    Case(
        "of two patterns the later one wins",
        {f"{ETC}a.conf": "net.ipv4.conf.e*.rp_filter=1\nnet.ipv4.conf.*0.rp_filter=2"},
        {FILTER.format("eth0"): "2", FILTER.format("eth0.100"): "2"},
    ),
    Case(
        "a pattern that is said again with another value moves behind",
        {f"{ETC}a.conf": "net.ipv4.conf.a*.rp_filter=0\nnet.ipv4.conf.*l.rp_filter=2\n"
         "net.ipv4.conf.a*.rp_filter=1"},
        {FILTER.format("all"): "1"},
    ),
    Case(
        "a pattern that is said again with the same value stays where it was",
        {f"{ETC}a.conf": "net.ipv4.conf.a*.rp_filter=1\nnet.ipv4.conf.*l.rp_filter=2\n"
         "net.ipv4.conf.a*.rp_filter=1"},
        {FILTER.format("all"): "2"},
    ),
    Case(
        "a key alone with a dash is spared by patterns before and after it",
        {f"{ETC}a.conf": "net.ipv4.conf.e*.rp_filter=1\n-net.ipv4.conf.eth0.rp_filter\n"
         "net.ipv4.conf.eth*.rp_filter=2"},
        {FILTER.format("eth0.100"): "2"},
    ),
    Case(
        "a key alone with a dash takes back the lines before it",
        {f"{ETC}a.conf": "vm.swappiness=1\n-vm.swappiness"},
        {},
    ),
    Case(
        "a line after a key alone with a dash counts",
        {f"{ETC}a.conf": "-vm.swappiness\nvm.swappiness=1"},
        {SWAPPINESS: "1"},
    ),
    Case(
        "only the first = separates, and blanks around the value go",
        {f"{ETC}a.conf": "vm.swappiness =  5=6 "},
        {SWAPPINESS: "5=6"},
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_the_next_boot_follows_the_manual(case: Case) -> None:
    assert boot(case.files) == case.sets


def test_a_link_to_dev_null_hides_its_namesake() -> None:
    lines = (ConfigLine(f"{LIB}a.conf", 1, "vm.swappiness=1"),)
    files = {f"{LIB}a.conf": 1.0, f"{ETC}a.conf": 0.0}
    assert boot_order.lines_in_order(files, lines) == ()


def test_the_lines_of_a_file_keep_their_order() -> None:
    lines = tuple(ConfigLine(f"{ETC}a.conf", number, str(number)) for number in (2, 10, 1))
    numbers = [line.number for line in boot_order.lines_in_order({f"{ETC}a.conf": 1.0}, lines)]
    assert numbers == [1, 2, 10]


def test_a_key_that_is_kept_from_being_set_names_the_line_that_does() -> None:
    seen = Observation(FACTS, **config_of("sysctl", {f"{ETC}a.conf": "-vm.swappiness"}))
    found = sysctl.boot_values(sysctl.reading_order(seen), [SWAPPINESS])[SWAPPINESS]
    assert (found.text, found.line.place) == (None, f"{ETC}a.conf:1")


def test_the_line_that_decides_is_named() -> None:
    files = {f"{ETC}a.conf": "# first\nvm.swappiness=1", f"{LIB}b.conf": "\n\nvm.swappiness=2"}
    seen = Observation(FACTS, **config_of("sysctl", files))
    found = sysctl.boot_values(sysctl.reading_order(seen), [SWAPPINESS])
    assert found[SWAPPINESS].line.place == f"{LIB}b.conf:3"


@pytest.mark.parametrize(
    ("path", "other", "is_after"),
    [
        ("/usr/lib/sysctl.d/zz.conf", sysctl.FILE, True),
        ("/etc/sysctl.d/99-sysctl.conf", sysctl.FILE, False),
        (sysctl.FILE, sysctl.FILE, False),
    ],
)
def test_what_is_read_after_our_file_is_known(path: str, other: str, is_after: bool) -> None:
    assert boot_order.is_read_after(path, other) is is_after


# A mount namespace of its own, in which plain files stand in for /proc/sys and sysctl.d.
_IN_NAMESPACE = """
set -e
mount -t tmpfs none /run
mount -t tmpfs none /usr/local/lib
mkdir /run/sysctl.d /usr/local/lib/sysctl.d
for directory in etc run usr/local/lib usr/lib; do
    mount --bind "$1/$directory/sysctl.d" "/$directory/sysctl.d"
done
mount --bind "$1/proc" /proc/sys
while read -r go; do
    "$2" 2>/dev/null || :
    echo done
done
"""
_UNSHARE = ("unshare", "--mount", "--propagation", "private")


@dataclass(frozen=True)
class Original:
    """The systemd-sysctl of this machine, running on stand-ins below `root`."""

    root: Path
    process: subprocess.Popen[str]

    def sets(self, files: Mapping[str, str]) -> dict[str, str]:
        """Apply the files, and return what was written."""
        for old in self.root.glob("**/sysctl.d/*.conf"):
            old.unlink()
        for path, text in files.items():
            (self.root / path.strip("/")).write_text(text, encoding="utf-8")
        for key in KEYS:
            (self.root / "proc" / key).write_text("")
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"
        found = {key: (self.root / "proc" / key).read_text(encoding="utf-8") for key in KEYS}
        return {key: " ".join(text.split()) for key, text in found.items() if text}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    """Start systemd-sysctl where it can be run without touching the machine."""
    program = shutil.which("systemd-sysctl", path="/usr/lib/systemd:/lib/systemd")
    if program is None or not all(map(os.path.isdir, (ETC, LIB))):
        pytest.skip("this machine has no systemd-sysctl to compare with")
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("comparing with systemd-sysctl takes root's rights and unshare")
    if subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine makes no mount namespace to run systemd-sysctl in")
    root = tmp_path_factory.mktemp("sysctl")
    for directory in DIRECTORIES:
        (root / directory.strip("/")).mkdir(parents=True)
    for key in KEYS:
        (root / "proc" / key).parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [*_UNSHARE, "sh", "-c", _IN_NAMESPACE, "sh", root, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Original(root, process)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_the_table_is_what_systemd_sysctl_does(case: Case, original: Original) -> None:
    assert original.sets(case.files) == case.sets


def spellings() -> Iterator[str]:
    yield from ("vm.swappiness", "vm/swappiness", "vm.*", "vm.swap?iness", "vm.[a-z]*")
    for name in ("all", "eth0", "eth0/100", "*", "eth*", "[!a]*", "*0", "a?l"):
        yield f"net.ipv4.conf.{name}.rp_filter"
    yield from ("net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.*.rp_filter", "*.swappiness")


LINES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "", "-", "#", " "]),
    st.sampled_from(sorted(spellings())),
    st.sampled_from(["=1", " = 2", "=3", "", " 4"]),
)
FILES = st.dictionaries(
    st.builds("{}{}.conf".format, st.sampled_from(DIRECTORIES), st.sampled_from(["10", "9", "a"])),
    st.lists(LINES, max_size=5).map("\n".join),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(files=FILES)
def test_any_files_mean_what_they_mean_to_systemd_sysctl(
    files: Mapping[str, str], original: Original
) -> None:
    assert boot(files) == original.sets(files)
