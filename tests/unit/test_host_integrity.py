"""What a host keeps of a change, damaged in every way: refused with the reason, never believed."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.app.outcomes import notes_of, problems_of, verdict_of
from optimizer.app.probing import read_observation
from optimizer.host import program
from optimizer.host.wire import (
    Answer,
    apply_program,
    encode_manifest,
    probe_program,
    take_program,
)
from optimizer.model.fleet import Reply
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import FileStep, ValueStep
from tests.unit.damage import (
    NOBODY,
    as_directory,
    as_link,
    as_pipe,
    flipped,
    owned,
    some_damage,
    writable,
)
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    NEW,
    OLD,
    OTHER_RUN,
    Lab,
    blobs,
    everything,
    identity_of,
    ref,
    setting,
    verdict,
    with_override,
    words,
)

EMERGENCY = Path(__file__).parent.parent.parent / "rollback" / "emergency.sh"

Damage = Callable[[Path], object]


def timer(lab: Lab, change: Snapshot) -> list[Answer]:
    """Do what the safety timer does; when it fails it has to say so on standard error."""
    process = lab.start(program("restore"), "automatic", change.run, identity_of(change))
    said, complaint = process.communicate(timeout=60)
    answers = [
        Answer(line.split("\t")[0], tuple(line.split("\t")[1:])) for line in said.splitlines()
    ]
    failed = verdict_of(answers) == "incomplete"
    assert (process.returncode != 0, "is not put back" in complaint) == (failed, failed), complaint
    return answers


def look(lab: Lab) -> Observation:
    seen = read_observation(
        "db-1", Reply(lab_output(lab, probe_program(ProbeRequest(snapshots=True))))
    )
    assert isinstance(seen, Observation), seen
    return seen


def lab_output(lab: Lab, text: str) -> str:
    output, complaint = lab.start(text).communicate(timeout=60)
    assert complaint == ""
    return output


def test_a_manifest_with_a_flipped_bit_or_a_missing_end_puts_nothing_back(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    lab.apply(change)
    applied = lab.tree()
    manifest = lab.journal / "manifest"
    whole = manifest.read_bytes()
    for content in some_damage(whole, 4):
        manifest.write_bytes(content)
        answers = timer(lab, change)
        assert verdict_of(answers) == "incomplete"
        [problem] = problems_of(answers)
        assert problem.path == str(lab.journal)
        assert f"{manifest} " in (problem.found or "")
        assert lab.tree() == applied
    assert "\tjournal-damaged\t" in (lab.state / "history").read_text()
    manifest.write_bytes(whole)
    assert verdict_of(timer(lab, change)) == "restored"
    assert lab.tree() == before


def test_any_byte_of_a_manifest_counts(dash: Lab) -> None:
    """By the word that all programs ask, in one process; the seed draws the places."""
    identity = identity_of(everything(dash))
    whole = encode_manifest(everything_again(dash)).encode()
    assert snapshot_id(whole.decode()) == identity
    folder = dash.root / "kept"
    for number, text in enumerate([whole, *some_damage(whole, 60)]):
        (folder / str(number)).mkdir(parents=True, mode=0o700)
        (folder / str(number) / "manifest").write_bytes(text)
        (folder / str(number) / "manifest").chmod(0o600)
    # Where the folder lies has been looked at by then.
    asks = f"""
    is_private() {{ return 0; }}
    for one in {folder}/*; do
        if is_whole "$one" {identity}; then printf '%s\\n' "${{one##*/}}"; fi
    done
    """
    assert lab_output(dash, functions("take") + asks) == "0\n"


def everything_again(lab: Lab) -> Snapshot:
    (lab.root / "host/etc/link").unlink()
    return everything(lab)


def functions(name: str, first: str = "MODE=manual") -> str:
    """Return the words of a program, up to the line that is the first of its own part."""
    head, start, _ = program(name).partition(f"\n{first}\n")
    assert start
    return head


def _missing(path: Path) -> None:
    path.rename(path.with_name(f".{path.name}"))


ODD: list[tuple[str, Damage, str]] = [
    *(
        (name, damage, word)
        for name in ("manifest", "progress", "id", "restore", "files/*")
        for damage, word in (
            (as_link, "is a symbolic link"),
            (as_pipe, "is a named pipe"),
            (as_directory, "is a directory"),
            (owned, f"belongs to user {NOBODY}"),
            (writable, "can be changed by others"),
        )
    ),
    ("manifest", _missing, "is missing"),
    ("", as_link, "is a symbolic link"),
    ("", owned, "chown root"),
    ("", writable, "chmod 700"),
    ("..", owned, "chown root"),
    ("..", writable, "chmod 700"),
]


@pytest.mark.parametrize(("name", "damage", "word"), ODD)
def test_a_journal_that_others_may_have_written_puts_nothing_back(
    dash: Lab, name: str, damage: Damage, word: str
) -> None:
    change = everything(dash)
    dash.apply(change)
    applied = dash.tree()
    damage(sorted(dash.journal.glob(name))[0] if name not in ("", "..") else dash.journal / name)
    answers = timer(dash, change)
    assert verdict_of(answers) == "incomplete"
    [problem] = problems_of(answers)
    assert word in (problem.found or "")
    assert dash.confirm(identity=identity_of(change)) == "damaged"
    assert dash.tree() == applied
    seen = look(dash)
    assert word in seen.broken
    assert seen.damaged[identity_of(change)].endswith(seen.broken)
    [refusal, *_] = dash.apply(dash.change(change.steps, run=OTHER_RUN, blobs=change.blobs))
    assert refusal.word == "refused" and word in refusal.fields[1]
    assert dash.tree() == applied


def rewritten(lab: Lab, old: str, new: str) -> Snapshot:
    """Leave a journal that is whole, with another header line."""
    change = everything(lab)
    lab.apply(change)
    manifest = lab.journal / "manifest"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    (lab.journal / "id").write_text(f"{snapshot_id(manifest.read_text())}\n")
    return change


@pytest.mark.parametrize("form", ["2", "10000000000000000000000", "x"])
def test_a_manifest_of_a_newer_version_is_left_alone(lab: Lab, form: str) -> None:
    rewritten(lab, "format\t1\n", f"format\t{form}\n")
    applied = lab.tree()
    answers = lab.restore("manual", str(lab.journal), edit=quiet)
    assert verdict_of(answers) == "incomplete"
    assert "newer version" in (problems_of(answers)[0].found or "")
    assert lab.confirm() == "damaged"
    assert lab.tree() == applied


def test_a_journal_of_another_host_is_left_alone(lab: Lab) -> None:
    machine = Path("/etc/machine-id").read_text().strip()
    rewritten(lab, f"machine\t{machine}\n", f"machine\t{'0' * 32}\n")
    applied = lab.tree()
    answers = lab.restore("boot", edit=quiet)
    assert verdict_of(answers) == "incomplete"
    assert "of another host" in (problems_of(answers)[0].found or "")
    assert lab.tree() == applied


def quiet(text: str) -> str:
    """Drop what a program says to the journal of systemd."""
    return f"exec 2>/dev/null\n{text}"


def test_a_snapshot_that_is_damaged_is_not_restored_by_hand_either(lab: Lab) -> None:
    kept = lab.state / "snapshots" / lab.put_through(everything(lab))
    confirmed = lab.tree()
    whole = (kept / "manifest").read_bytes()
    for content in some_damage(whole, 2):
        (kept / "manifest").write_bytes(content)
        answers = lab.restore("manual", f"{kept}/")
        assert verdict_of(answers) == "incomplete"
        assert lab.tree() == confirmed


def test_bytes_that_were_changed_are_put_nowhere_and_the_rest_goes_back(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    kept = lab.state / "snapshots" / lab.put_through(change)
    own = str(lab.root / "host/etc/own.conf")
    for content in some_damage(OLD, 2):
        (kept / "files" / ref(OLD).sha256).write_bytes(content)
        answers = lab.restore("manual", str(kept))
        assert verdict_of(answers) == "incomplete"
        assert [answer.fields[1] for answer in answers if answer.word == "failed"] == [own]
        assert Path(own).read_bytes() == NEW
        assert {path: what for path, what in lab.tree().items() if path != own} == {
            path: what for path, what in before.items() if path != own
        }
    (kept / "files" / ref(OLD).sha256).write_bytes(OLD)
    assert verdict_of(lab.restore("manual", str(kept))) == "restored"
    assert lab.tree() == before


def test_bytes_that_were_changed_are_not_confirmed(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    lab.apply(change)
    (lab.journal / "files" / ref(NEW).sha256).write_bytes(NEW + b"x")
    assert lab.confirm(identity=identity_of(change)) == "damaged"
    assert lab.cancel(copy=change) == "restored"
    assert lab.tree() == before


def test_what_others_lines_of_the_progress_name_is_neither_removed_nor_written(lab: Lab) -> None:
    """Only sealed lines say what a change made besides its plan."""
    change = everything(lab)
    lab.apply(change)
    precious, other = lab.file("data/precious", b"theirs"), lab.value("other", "7")
    with (lab.journal / "progress").open("a") as progress:
        progress.write(f"made\t{precious}\t{'0' * 64}\n")
        progress.write(f"collateral\t{other}\t5\t7\t{'0' * 64}\n")
    answers = lab.restore("automatic", RUN, edit=quiet)
    assert verdict_of(answers) == "incomplete"
    assert precious.read_bytes() == b"theirs"
    assert other.read_text() == "7\n"
    # What the manifest says went back all the same.
    assert (lab.root / "host/values/first").read_text() == "60\n"


def test_a_progress_that_cannot_be_ours_is_said(dash: Lab) -> None:
    change = everything(dash)
    dash.apply(change)
    progress = dash.journal / "progress"
    whole = progress.read_bytes()
    for content in (
        whole.replace(b"intent", b"intens", 1),
        whole.replace(b"/first", b"/fierst", 1),
    ):
        progress.write_bytes(content)
        answers = dash.restore("automatic", RUN, edit=quiet)
        assert verdict_of(answers) == "incomplete"
        assert str(progress) in {answer.fields[1] for answer in answers if answer.word == "failed"}


def test_a_last_line_that_a_power_cut_has_cut_is_no_damage(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    lab.apply(change)
    progress = lab.journal / "progress"
    whole = progress.read_bytes()
    progress.write_bytes(whole[: whole.rindex(b"\t")])
    assert verdict_of(lab.restore("automatic", RUN)) == "restored"
    assert lab.tree() == before


def test_what_came_along_with_an_empty_text_goes_back_to_it(lab: Lab) -> None:
    planned, other = lab.value("planned", "1"), lab.value("other", "")
    sweep = f"""
    sweep() {{ grep -H '' "{planned}" "{other}" >"$1"; }}
    write_value() {{
        case $2 in @empty) echo >"$1" ;; *) printf '%s\\n' "$2" >"$1" ;; esac
        [ "$2" != 2 ] || echo 6 >"{other}"
    }}
    """
    before = lab.tree()
    answers = lab.apply(
        lab.change([setting(planned, "1", "2")]), edit=with_override("apply", sweep)
    )
    [problem] = problems_of(answers)
    assert (problem.path, problem.expected, problem.found) == (str(other), "", "6")
    assert lab.tree() == before


def run_kept(lab: Lab, path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program as a person on the console does."""
    return subprocess.run(
        [*lab.shell, str(path), *words],
        env={"PATH": os.defpath, "OPTIMIZER_STATE": str(lab.state)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_restore_program_that_is_damaged_does_nothing(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    kept = lab.state / "snapshots" / lab.put_through(change)
    confirmed = lab.tree()
    whole = (kept / "restore").read_bytes()
    head = whole.index(b"\n", whole.index(b"\n") + 1)
    cuts = [whole[: head * part // 7] for part in range(7)]
    first = [flipped(whole, at, 0) for at in (3, 12, 60)]
    for content in (*some_damage(whole, 4), *cuts, *first):
        (kept / "restore").write_bytes(content)
        done = run_kept(lab, kept / "restore", "manual", str(kept))
        assert "restored" not in done.stdout
        assert lab.tree() == confirmed
    (kept / "restore").write_bytes(whole)
    done = run_kept(lab, kept / "restore", "manual", str(kept))
    assert (done.returncode, "result\trestored" in done.stdout) == (0, True), done.stderr
    assert lab.tree() == before


def test_the_emergency_program_passes_over_what_is_damaged(dash: Lab) -> None:
    change = everything(dash)
    kept = dash.state / "snapshots" / dash.put_through(change)
    confirmed = dash.tree()
    for name in ("manifest", "restore", f"files/{ref(OLD).sha256}"):
        path = kept / name
        whole = path.read_bytes()
        for damage in (lambda: path.write_bytes(whole[:-1]), lambda: as_link(path)):  # noqa: B023
            damage()
            done = run_kept(dash, EMERGENCY)
            assert "result" not in done.stdout
            assert dash.tree() == confirmed
            path.unlink()
            path.write_bytes(whole)
            path.chmod(0o600)
    assert "result\trestored" in run_kept(dash, EMERGENCY).stdout


def test_the_emergency_program_runs_no_damaged_journal(dash: Lab) -> None:
    dash.apply(everything(dash))
    applied = dash.tree()
    (dash.journal / "restore").write_text("touch evil\n")
    done = run_kept(dash, EMERGENCY)
    assert (done.returncode, "missing or damaged" in done.stderr) == (1, True)
    assert dash.tree() == applied


def test_the_timer_runs_no_damaged_program_and_says_so(lab: Lab) -> None:
    """Also where the program itself is cut so early that it could say nothing any more."""
    change = everything(lab)
    lab.apply(change)
    applied = lab.tree()
    restore = lab.journal / "restore"
    whole = restore.read_bytes()
    guarded = lab_output(
        lab,
        f"{functions('restore', 'TASK=restoring')}\nRUN={RUN}\nID={identity_of(change)}\n"
        f"RESTORE_PROGRAM={shlex.quote(whole.decode())}\n"
        f'restore_guarded automatic "\'$RUN\' $ID" "rm -rf $STATE/.ended.*"',
    )
    assert "$" not in guarded and "%" not in guarded and '"' not in guarded
    assert ";" not in guarded and "\\" not in guarded
    for content in some_damage(whole, 2):
        restore.write_bytes(content)
        done = run_guarded(lab, guarded)
        assert done.returncode == 1
        assert f"{restore} is damaged" in done.stderr and RUN in done.stderr
        assert lab.tree() == applied
    restore.write_bytes(whole)
    assert "result\trestored" in run_guarded(lab, guarded).stdout
    assert run_guarded(lab, guarded).returncode == 0


def run_guarded(lab: Lab, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*lab.shell, "-c", command.replace("exec /bin/sh", f"exec {' '.join(lab.shell)}")],
        env={"PATH": os.defpath, "OPTIMIZER_STATE": str(lab.state)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_controllers_copy_mends_a_damaged_journal(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    names = ("manifest", "id", "restore", f"files/{ref(OLD).sha256}")
    damages: list[Damage] = [lambda path: path.write_text("damaged"), as_pipe, owned, as_link]
    for name, damage in zip(names, damages, strict=True):
        lab.apply(change)
        damage(lab.journal / name)
        assert lab.cancel(copy=change) == "restored"
        assert lab.tree() == before
        assert not lab.journal.exists()


def test_a_copy_of_another_change_mends_nothing(lab: Lab) -> None:
    change = everything(lab)
    lab.apply(change)
    applied = lab.tree()
    (lab.journal / "manifest").write_text("damaged")
    other = lab.change(change.steps, run=OTHER_RUN, blobs=change.blobs)
    assert lab.cancel(OTHER_RUN, copy=other) == "incomplete"
    assert lab.tree() == applied


def test_a_rollback_takes_the_place_of_a_damaged_journal(lab: Lab) -> None:
    first = lab.value("first", "60")
    change = lab.change([setting(first, "60", "1")])
    lab.apply(change)
    lab.disarm()
    (lab.journal / "manifest").write_text("damaged")
    back = lab.change([setting(first, "1", "60")], run=OTHER_RUN, kind="rollback")
    answers = lab.apply(back)
    assert "gave up the damaged journal" in notes_of(answers)[0]
    assert verdict(answers) == "applied"
    assert lab.confirm(OTHER_RUN) == "confirmed"
    assert first.read_text() == "60\n"


@pytest.mark.parametrize("umask", ["000", "022", "077"])
@pytest.mark.parametrize("found", [None, 0o755])
def test_what_is_kept_is_for_root_alone(dash: Lab, umask: str, found: int | None) -> None:
    if found is not None:
        dash.state.mkdir()
        dash.state.chmod(found)
    change = everything(dash)

    def under(text: str) -> str:
        return f"umask {umask}\n{text}"

    assert verdict(dash.apply(change, edit=under)) == "applied"
    _expect_private(dash.state)
    assert dash.confirm(edit=under) == "confirmed"
    step = FileStep(
        path=str(dash.root / "host/etc/own.conf"), before=ref(NEW, "600"), after=ref(NEW, "600")
    )
    kept = dash.change([step], kind="snapshot", run=OTHER_RUN, blobs=blobs(NEW))
    assert verdict_of(dash.run(under(take_program(kept)))) == "taken"
    _expect_private(dash.state)
    # What the change itself makes has the modes of its plan.
    assert oct((dash.root / "host/etc/made/new.conf").stat().st_mode) == "0o100644"
    assert oct((dash.root / "host/etc/made").stat().st_mode) == "0o40755"


def _expect_private(state: Path) -> None:
    for path in (state, *state.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("damage", [owned, writable])
def test_nothing_is_begun_where_others_may_write(dash: Lab, damage: Damage) -> None:
    dash.state.mkdir()
    damage(dash.state)
    change = everything(dash)
    before = dash.tree()
    for text in (apply_program(change, 600), take_program(change)):
        answers = dash.run(text)
        assert verdict_of(answers) == "refused"
        assert f"{dash.state} belongs" in problems_of(answers)[0].what
    assert dash.tree() == before
    assert list(dash.state.iterdir()) == []


def test_a_value_that_is_no_more_than_a_name_stays_one(dash: Lab) -> None:
    """Nothing of a manifest is ever run, whatever is in it."""
    evil = "$(touch evil) `touch evil` ; touch evil ' \" \\ -n --"
    path = dash.root / "host/values" / "a $(touch evil)'\"`x`"
    dash.value(path.name, "60")
    change = dash.change(
        [ValueStep(tunable=evil, path=str(path), before="60", after=evil)], label=evil, by=evil
    )
    assert verdict(dash.apply(change)) == "applied"
    assert path.read_text() == f"{evil}\n"
    pending = look(dash).pending
    assert pending and pending.by == " ".join(evil.split())
    assert dash.cancel() == "restored"
    assert path.read_text() == "60\n"
    assert not list(Path.cwd().glob("evil")) and not list(dash.root.rglob("evil"))


def test_no_word_of_an_answer_is_a_line_of_its_own(lab: Lab) -> None:
    """What a database says of a failure, for example, is whatever its owner has it say."""
    said = "$(printf 'no\\nresult\\tconfirmed\\nend')"
    asks = f'emit problem write - /p 1 "{said}"; emit result failed'
    answers = lab.run(f"{functions('take')}\n{asks}")
    assert words(answers) == ["problem", "result"]
    assert verdict(answers) == "failed"
    assert answers[0].fields[-1] == "no result confirmed end"


def test_the_confirmation_is_asked_of_a_change_that_is_whole(dash: Lab) -> None:
    change = everything(dash)
    dash.apply(change)
    (dash.journal / "id").write_text("damaged")
    # The controller knows what it sent; of manifest and id one has to be as it was.
    assert dash.confirm(identity=identity_of(change)) == "confirmed"
