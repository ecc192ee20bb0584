"""GRUB's menu on a host: made anew, compared, written and put back, whoever else has it made.

A program of a few lines stands in for grub-mkconfig: its menu is what two files say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from optimizer.app.outcomes import notes_of, problems_of, verdict_of
from optimizer.app.probing import read_observation
from optimizer.host.wire import Answer, apply_program, confirm_program, probe_program
from optimizer.model.boot import Grub
from optimizer.model.fleet import Reply
from optimizer.model.observation import ABSENT, Observation
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileStep
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    SHELLS,
    Lab,
    after_a_boot,
    blobs,
    identity_of,
    kept_program,
    ref,
    skip_without,
    without_probe,
    without_sweep,
)
from tests.unit.test_host_killed import NEVER, killed

OLD = b"made in C: quiet \n"
NEW = b"made in C: quiet ours\n"
# What somebody's new kernel makes of it.
OTHER = b"made in C: quiet crashkernel=1 ours\n"
MADE = """#!/bin/sh
echo "Generating grub configuration file ..." >&2
printf 'made in %s: %s %s\\n' "$LC_ALL" "$(cat host/theirs)" "$(cat host/ours 2>/dev/null)" >"$2"
"""


class Menu:
    """A lab whose programs take files of its own for those of GRUB."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.menu = lab.file("menu", OLD)
        self.theirs = lab.file("theirs", b"quiet\n")
        self.ours = lab.root / "host/ours"
        self.locale = lab.root / "locale"
        tools = lab.root / "tools"
        tools.mkdir()
        for name in ("grub-mkconfig", "update-grub"):
            (tools / name).write_text(MADE.replace("host/", f"{lab.root}/host/"))
            (tools / name).chmod(0o755)

    def run(self, text: str, *words: str) -> tuple[Answer, ...]:
        return self.lab.run(self.moved(text), *words, PATH=self.path)

    @property
    def path(self) -> str:
        return f"/usr/bin:/bin:{self.lab.root}/tools"

    def moved(self, text: str) -> str:
        """Have a program look for its files here."""
        for old, new in (
            ("GRUB_CONFIG=/boot/grub/grub.cfg", f"GRUB_CONFIG={self.menu}"),
            ("/etc/default/locale", str(self.locale)),
        ):
            # The program that a journal keeps has been moved before.
            assert old in text or new in text
            text = text.replace(old, new)
        return text

    def change(self, menu: bytes = NEW) -> Snapshot:
        steps = [
            FileStep(path=str(self.ours), before=None, after=ref(b"ours\n")),
            FileStep(path=str(self.menu), before=ref(self.menu.read_bytes()), after=ref(menu)),
        ]
        return self.lab.change(steps, blobs=blobs(b"ours\n", self.menu.read_bytes(), menu))

    def apply(self, change: Snapshot) -> tuple[Answer, ...]:
        return self.run(without_sweep(apply_program(change, 600)))

    def confirm(self) -> tuple[Answer, ...]:
        return self.run(without_probe(confirm_program(RUN, ProbeRequest())))

    def make(self, menu: bytes) -> None:
        """Have somebody else make the menu anew."""
        self.menu.write_bytes(menu)


@pytest.fixture
def menu(lab: Lab) -> Menu:
    return Menu(lab)


def whats(answers: Sequence[Answer]) -> str:
    return "; ".join(f"{one.what} {one.found or ''}" for one in problems_of(answers))


def test_a_menu_is_written_when_its_files_make_it(menu: Menu) -> None:
    change = menu.change()
    assert verdict_of(menu.apply(change)) == "applied"
    assert menu.menu.read_bytes() == OLD
    assert verdict_of(menu.confirm()) == "confirmed"
    assert menu.menu.read_bytes() == NEW
    assert sorted(path.name for path in menu.menu.parent.iterdir()) == ["menu", "ours", "theirs"]
    kept = menu.lab.state / "snapshots" / identity_of(change)
    names = {"files", "id", "manifest", "progress", "restore"}
    assert {path.name for path in kept.iterdir()} == names


def test_a_menu_that_is_older_than_its_files_is_not_touched(menu: Menu) -> None:
    menu.theirs.write_bytes(b"quiet crashkernel=1\n")
    before = menu.lab.tree()
    answers = menu.apply(menu.change())
    assert verdict_of(answers) == "refused"
    assert "run update-grub first, then plan anew" in whats(answers)
    assert menu.lab.tree() == before
    assert not menu.lab.journal.exists()


def test_why_no_menu_can_be_made_is_said(menu: Menu) -> None:
    for tool in (menu.lab.root / "tools").iterdir():
        tool.write_text("#!/bin/sh\necho one >&2\necho 'cannot find a device' >&2\nexit 1\n")
    answers = menu.apply(menu.change())
    assert verdict_of(answers) == "refused"
    assert "grub-mkconfig: cannot find a device" in whats(answers)


def test_a_program_that_hangs_is_not_waited_for(menu: Menu) -> None:
    for tool in (menu.lab.root / "tools").iterdir():
        tool.write_text("#!/bin/sh\nsleep 60 &\nexec sleep 60\n")
    text = without_sweep(apply_program(menu.change(), 600)).replace("timeout 120", "timeout 1")
    answers = menu.run(text)
    assert verdict_of(answers) == "refused"
    assert "grub-mkconfig did not end within two minutes" in whats(answers)


def test_the_language_of_the_titles_is_that_of_the_host(menu: Menu) -> None:
    menu.locale.write_text('LANG="de_DE.UTF-8"\n')
    menu.make(OLD.replace(b"C", b"de_DE.UTF-8"))
    assert verdict_of(menu.apply(menu.change(NEW.replace(b"C", b"de_DE.UTF-8")))) == "applied"
    assert verdict_of(menu.confirm()) == "confirmed"


@pytest.mark.parametrize("planned", [NEW + b"more\n", OTHER])
def test_another_menu_than_the_planned_one_takes_the_change_back(
    menu: Menu, planned: bytes
) -> None:
    before = menu.lab.tree()
    menu.apply(menu.change(planned))
    answers = menu.confirm()
    assert verdict_of(answers) == "restored"
    assert "the menu of GRUB could not be made as planned its files make another menu" in whats(
        answers
    )
    assert menu.lab.tree() == before


def put_through(menu: Menu) -> str:
    change = menu.change()
    menu.apply(change)
    menu.confirm()
    return str(menu.lab.state / "snapshots" / identity_of(change))


def restore(menu: Menu, kept: str) -> tuple[Answer, ...]:
    return menu.run(kept_program(Path(kept)), "manual", kept)


def test_a_person_gets_the_old_bytes_back(menu: Menu) -> None:
    before = menu.lab.tree()
    assert verdict_of(restore(menu, put_through(menu))) == "restored"
    assert menu.lab.tree() == before


@pytest.mark.parametrize("force", ["yes", "no"])
def test_a_menu_with_a_new_kernel_is_made_once_more(menu: Menu, force: str) -> None:
    kept = put_through(menu)
    menu.theirs.write_bytes(b"quiet crashkernel=1\n")
    menu.make(OTHER)
    text = menu.moved(kept_program(Path(kept)))
    answers = menu.lab.run(text, "manual", kept, PATH=menu.path, FORCE=force)
    assert verdict_of(answers) == "restored"
    assert [note for note in notes_of(answers) if "was made once more" in note]
    assert menu.menu.read_bytes() == b"made in C: quiet crashkernel=1 \n"
    assert sorted(path.name for path in menu.menu.parent.iterdir()) == ["menu", "theirs"]


def test_a_menu_that_cannot_be_made_once_more_is_no_success(menu: Menu) -> None:
    kept = put_through(menu)
    menu.make(OTHER)
    for tool in (menu.lab.root / "tools").iterdir():
        tool.unlink()
    answers = restore(menu, kept)
    assert verdict_of(answers) == "incomplete"
    assert "could not be put back" in whats(answers)
    assert menu.menu.read_bytes() == OTHER


def test_a_confirmation_killed_at_any_stage_leaves_the_whole_menu_or_nothing(
    tmp_path: Path,
) -> None:
    ends = set()
    last, is_over = 1, False
    while not is_over:
        menu = Menu(Lab(tmp_path / str(last), skip_without("dash")))
        before = menu.lab.tree()
        change = menu.change()
        menu.apply(change)
        menu.lab.disarm()
        text = menu.moved(without_probe(confirm_program(RUN, ProbeRequest())))
        is_over = killed(menu.lab, "confirm", with_path(menu, text), last) < last
        assert menu.menu.read_bytes() in (OLD, NEW)
        journal = menu.lab.journal / "restore"
        if journal.exists():
            menu.run(after_a_boot(kept_program(journal.parent)), "boot")
        kept = menu.lab.state / "snapshots" / identity_of(change)
        if kept.exists():
            assert menu.menu.read_bytes() == NEW
        else:
            assert menu.lab.tree() == before, f"killed at stage {last}"
        ends.add(kept.exists())
        last += 1
    assert ends == {True, False}
    assert 10 < last < NEVER


def with_path(menu: Menu, text: str) -> str:
    """Have a program find the stand-in, where it is started by somebody else."""
    return text.replace("/sbin:/bin:$PATH", f"/sbin:/bin:{menu.lab.root}/tools")


# What a probe finds


def look(lab: Lab, line: str, *names: str) -> Observation:
    """Read parameters of a kernel that was booted with a line."""
    lab.file("cmdline", line.encode() + b"\n")
    request = ProbeRequest(values=frozenset(f"boot:{name}" for name in names))
    text = probe_program(request).replace(
        "COMMAND_LINE=/proc/cmdline", f"COMMAND_LINE={lab.root}/host/cmdline"
    )
    seen = read_observation("db-1", Reply(_said(lab, text)))
    assert isinstance(seen, Observation), seen
    return seen


def _said(lab: Lab, text: str, **variables: str) -> str:
    process = lab.start(text, **variables)
    said, complaint = process.communicate(timeout=60)
    assert complaint == ""
    return said


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ("ro skew_tick=1", "skew_tick", "1"),
        ("ro skew_tick=0 quiet skew_tick=1 ", "skew_tick", "1"),
        ("ro nosoftlockup", "nosoftlockup", "present"),
        ("ro isolcpus=1 isolcpus=2", "isolcpus", "1"),
        ("ro skew_tick", "skew", ABSENT),
        ('a="x skew_tick=1 y" b', "skew_tick", ABSENT),
        ('dyndbg="file x +p"', "dyndbg", "file x +p"),
        ("intel-idle.max-cstate=1", "intel_idle.max_cstate", "1"),
        ("a -- skew_tick=1", "skew_tick", ABSENT),
        ("a=b=c", "a", "b=c"),
        ("a=", "a", ""),
    ],
)
def test_parameters_of_the_running_kernel_are_found(
    lab: Lab, line: str, name: str, text: str
) -> None:
    assert look(lab, line, name).values[f"boot:{name}"].text == text


FILES = {
    "plain": ({"grub": 'GRUB_CMDLINE_LINUX="a b"\n'}, Grub("a b", " @optimizer@")),
    "in order": (
        {
            "grub": "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n",
            "grub.d/50-a.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT a"\n',
            "grub.d/zz-optimizer.cfg": "GRUB_CMDLINE_LINUX_DEFAULT=never\n",
            "grub.d/zzz.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT z"\n',
            "grub.d/notes": "GRUB_CMDLINE_LINUX=never\n",
        },
        Grub("", "quiet a @optimizer@ z"),
    ),
    "dropped": ({"grub.d/zzz.cfg": "GRUB_CMDLINE_LINUX_DEFAULT=only\n"}, Grub("", "only")),
    "commands": ({"grub": "GRUB_CMDLINE_LINUX=`echo x; echo y >&2`$UNSET\n"},
                 Grub("x", " @optimizer@")),
    "broken": ({"grub": "GRUB_CMDLINE_LINUX=(\n"}, None),
    "ended": ({"grub": "exit 0\n"}, None),
    "lines": ({"grub": "GRUB_CMDLINE_LINUX='a\nb'\n"}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_files_of_grub_say_is_found_as_grub_finds_it(
    name: str, shell: str, tmp_path: Path
) -> None:
    texts, expected = FILES[name]
    menu = Menu(Lab(tmp_path, skip_without(shell)))
    for path, text in texts.items():
        menu.lab.file(f"default/{path}", text.encode())
    program = menu.moved(probe_program(ProbeRequest(grub=True)))
    program = program.replace("/etc/default/grub", f"{menu.lab.root}/host/default/grub")
    seen = read_observation("db-1", Reply(_said(menu.lab, program, PATH=menu.path)))
    assert isinstance(seen, Observation), seen
    assert seen.grub == expected
    found = {line.path.rpartition("/")[2] for line in seen.config.get("grub", ())}
    assert found == {
        path.rpartition("/")[2]
        for path, text in texts.items()
        if text.startswith("GRUB_CMDLINE") and not path.endswith("notes")
    }
