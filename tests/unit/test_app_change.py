"""apply, confirm and rollback over a fleet in memory: lost connections, garbled answers, plans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from optimizer.app.apply import apply
from optimizer.app.confirm import confirm
from optimizer.app.plan import plan
from optimizer.app.requests import ApplyOptions, ProfileRequest
from optimizer.app.rollback import plan_rollback
from optimizer.app.saved import load_plan
from optimizer.app.score import score
from optimizer.app.verify import verify
from optimizer.host.wire import probe_program
from optimizer.model.errors import PlanFileError
from optimizer.model.plan import Plan
from optimizer.model.request import ProbeRequest
from optimizer.resources import sysctl
from optimizer.store import runs, snapshots
from tests.unit.factories import FakeFleet, Fault, fleet, lost, only, says, unreachable, whats
from tests.unit.model_host import ModelHost, StoredFile
from tests.unit.model_kernel import VM, ModelKernel

pytestmark = pytest.mark.usefixtures("controller")

# Over at once: a host that does not answer again is given up after the first question.
PATIENT = ApplyOptions(by="ana@desk")
IMPATIENT = ApplyOptions(by="ana@desk", confirm_timeout=-60)


def test_a_change_takes_three_commands_and_is_there(small: ProfileRequest) -> None:
    hosts = fleet()
    made = plan(hosts, small)
    outcome = only(apply(hosts, made, PATIENT))
    assert (outcome.state, outcome.problems, outcome.commands) == ("applied", (), 3)
    assert hosts.kinds("db-1") == ["probe", "apply", "confirm"]
    assert (outcome.score_before, outcome.score_after) == (0, 100)
    assert outcome.applied == made.hosts[0].changes
    assert plan(hosts, small).hosts[0].is_empty
    [checked] = verify(hosts, None).hosts
    assert (checked.state, checked.drift) == ("match", ())
    [scored] = score(hosts, small).hosts
    assert (scored.score, scored.state) == (100, "scored")


def test_what_is_applied_is_kept_on_both_sides(small: ProfileRequest) -> None:
    hosts = fleet()
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    host = hosts.hosts["db-1"]
    manifest, blobs = snapshots.read(host.facts["machine_id"], outcome.snapshot)
    assert host.snapshots == {outcome.snapshot: manifest}
    assert set(blobs.items()) <= set(host.blobs.items())
    [run], _ = runs.listed()
    assert (run.verb, run.profile, run.by, run.hosts, run.changed) == (
        "apply", "small", "ana@desk", 1, 1,
    )  # fmt: skip


def test_nothing_to_do_asks_nobody(small: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, small), PATIENT)
    again = plan(hosts, small)
    asked = len(hosts.asked)
    outcome = only(apply(hosts, again, PATIENT))
    assert (outcome.state, len(hosts.asked)) == ("unchanged", asked)
    assert len(runs.listed()[0]) == 1


def test_a_stale_plan_is_refused_by_name(small: ProfileRequest) -> None:
    hosts = fleet()
    made = plan(hosts, small)
    hosts.hosts["db-1"].kernel.write(f"{VM}swappiness", "33")
    start = hosts.hosts["db-1"].state()
    outcome = only(apply(hosts, made, PATIENT))
    assert outcome.state == "refused"
    [problem] = outcome.problems
    assert (problem.tunable, problem.expected, problem.found) == (
        "system.sysctl.vm.swappiness", "60", "33",
    )  # fmt: skip
    assert hosts.hosts["db-1"].state() == start
    assert hosts.kinds("db-1") == ["probe", "apply"]


def test_a_value_that_does_not_take_brings_the_host_back(tmp_path: Path) -> None:
    path = tmp_path / "pages.yaml"
    path.write_text("name: pages\nversion: 1\nset: {system.sysctl.vm.nr_hugepages: 9}\n")
    hosts = FakeFleet({"db-1": ModelHost(ModelKernel(huge_pages=4))})
    start = hosts.hosts["db-1"].state()
    outcome = only(apply(hosts, plan(hosts, ProfileRequest(name=str(path))), PATIENT))
    assert (outcome.state, outcome.snapshot, outcome.applied) == ("restored", "", ())
    assert whats(outcome)[0] == "another value was taken"
    assert hosts.hosts["db-1"].state() == start
    assert outcome.score_after == outcome.score_before == 0


# Connections that break, one after the other.


@pytest.mark.parametrize("does_it", [True, False])
def test_an_apply_whose_answer_is_lost_is_taken_back(small: ProfileRequest, does_it: bool) -> None:
    hosts = fleet(apply=[lost(does_it=does_it)])
    start = hosts.hosts["db-1"].state()
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    assert (outcome.state, whats(outcome)) == ("restored", ["the connection was lost"])
    assert hosts.hosts["db-1"].state() == start
    assert hosts.kinds("db-1") == ["probe", "apply", "cancel"]


def test_taking_back_is_asked_for_until_there_is_an_answer(small: ProfileRequest) -> None:
    hosts = fleet(
        apply=[lost(does_it=True)],
        cancel=[unreachable(), says("result\tbusy\n"), says("garbage"), None],
    )
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    assert outcome.state == "restored"
    assert hosts.kinds("db-1").count("cancel") == 4


def test_a_host_that_is_never_heard_of_again_needs_a_person(small: ProfileRequest) -> None:
    hosts = fleet(apply=[lost(does_it=True)], cancel=[unreachable()] * 2)
    outcome = only(apply(hosts, plan(hosts, small), IMPATIENT))
    assert outcome.state == "failed"
    assert whats(outcome)[-1] == "it cannot be reached to see what became of it"


def test_a_host_that_was_not_even_connected_to_is_unreachable(small: ProfileRequest) -> None:
    hosts = fleet(apply=[unreachable()])
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    assert (outcome.state, whats(outcome)) == ("unreachable", ["no route to host"])
    assert hosts.kinds("db-1") == ["probe", "apply"]


@pytest.mark.parametrize("text", ["", "Welcome!\n", "problem\twrite\n", "snapshot\tab\n"])
def test_an_answer_without_an_end_counts_as_lost(small: ProfileRequest, text: str) -> None:
    hosts = fleet(apply=[says(text, does_it=True)])
    start = hosts.hosts["db-1"].state()
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    assert outcome.state == "restored"
    assert "the answer was cut off" in whats(outcome)
    assert hosts.hosts["db-1"].state() == start


@pytest.mark.parametrize("does_it", [True, False])
def test_a_confirmation_whose_answer_is_lost_is_asked_for_again(
    small: ProfileRequest, does_it: bool
) -> None:
    hosts = fleet(confirm=[lost(does_it=does_it), unreachable(), None])
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    assert (outcome.state, outcome.problems) == ("applied", ())
    assert hosts.kinds("db-1").count("confirm") == 3


def test_a_change_that_went_back_before_it_was_confirmed_is_restored(
    small: ProfileRequest,
) -> None:
    hosts = fleet()
    host = hosts.hosts["db-1"]
    start = host.state()
    made = plan(hosts, small)
    hosts.faults["db-1"]["confirm"] = [says("result\tgone\nend\n")]
    outcome = only(apply(hosts, made, PATIENT))
    assert outcome.state == "restored"
    assert "it was not confirmed in time and restored itself" in whats(outcome)
    assert start  # the host itself is not asked again


def test_a_host_that_could_not_put_everything_back_needs_a_person(
    small: ProfileRequest,
) -> None:
    said = f"failed\tt\t{VM}swappiness\t60\t1\tdenied\nresult\tincomplete\n"
    hosts = fleet(apply=[says(said)])
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    assert (outcome.state, whats(outcome)) == ("failed", ["could not be put back"])


def test_what_reads_back_wrong_after_the_confirmation_needs_a_person(
    small: ProfileRequest,
) -> None:
    hosts = fleet()
    made = plan(hosts, small)
    after = ModelHost()
    text = after.answer(_probe_of(made))
    hosts.faults["db-1"]["confirm"] = [says(f"result\tconfirmed\n{text}", does_it=True)]
    outcome = only(apply(hosts, made, PATIENT))
    assert outcome.state == "failed"
    assert "reads back wrong" in whats(outcome)


def _probe_of(made: Plan) -> str:
    paths = {getattr(step, "path", "") for step in made.hosts[0].steps}
    return probe_program(ProbeRequest(values=frozenset(paths), files=frozenset(paths)))


def test_one_bad_host_does_not_hold_up_the_others(small: ProfileRequest) -> None:
    names = ("good", "dark", "lost", "stale")
    hosts = FakeFleet({name: ModelHost() for name in names})
    hosts.faults = {"dark": {"probe": [unreachable()]}, "lost": {"apply": [lost(does_it=False)]}}
    made = plan(hosts, small)
    hosts.hosts["stale"].kernel.write(f"{VM}swappiness", "33")
    states = {outcome.name: outcome.state for outcome in apply(hosts, made, PATIENT).hosts}
    assert states == {
        "good": "applied", "dark": "unreachable", "lost": "restored", "stale": "refused",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "Welcome to db-1!\n", "fact\tkernel\t6.12\n", "fact\tuid\tme\nend\n", "end\n"]
)
def test_a_probe_that_cannot_be_read_refuses_the_host(small: ProfileRequest, text: str) -> None:
    [host] = plan(fleet(probe=[says(text)]), small).hosts
    assert (host.state, host.steps) == ("refused", ())
    assert "db-1 gave an answer that cannot be read" in host.error
    assert "login shell" in host.hint


def test_a_host_that_is_not_reached_is_in_every_answer(small: ProfileRequest) -> None:
    [planned] = plan(fleet(probe=[unreachable()]), small).hosts
    assert (planned.state, planned.error, planned.hint) == (
        "unreachable", "no route to host", "Is it up?",
    )  # fmt: skip
    [scored] = score(fleet(probe=[unreachable()]), small).hosts
    assert (scored.state, scored.score) == ("unreachable", None)
    [checked] = verify(fleet(probe=[unreachable()]), small).hosts
    assert (checked.state, checked.error) == ("unreachable", "no route to host")
    [back] = plan_rollback(fleet(probe=[unreachable()])).hosts
    assert back.state == "unreachable"


def test_a_host_that_the_inventory_lost_is_not_touched(small: ProfileRequest) -> None:
    hosts = fleet()
    made = plan(hosts, small)
    others = FakeFleet({"db-2": ModelHost()})
    outcome = only(apply(others, made, PATIENT))
    assert (outcome.name, outcome.state, others.asked) == ("db-1", "unreachable", [])


# Waiting for a confirmation by hand.


def test_a_change_can_wait_to_be_confirmed_by_hand(small: ProfileRequest) -> None:
    hosts = fleet()
    waiting = apply(hosts, plan(hosts, small), ApplyOptions(confirm=False))
    assert (only(waiting).state, hosts.kinds("db-1")) == ("waiting", ["probe", "apply"])
    confirmed = confirm(hosts, waiting.run)
    assert (only(confirmed).state, confirmed.run) == ("applied", waiting.run)
    assert only(confirmed).snapshot == only(waiting).snapshot
    assert sysctl.FILE in hosts.hosts["db-1"].files


@pytest.mark.parametrize(
    ("fault", "state", "what"),
    [
        (None, "refused", "nothing waits for a confirmation here"),
        (unreachable(), "unreachable", "no route to host"),
        (lost(does_it=False), "refused", "the connection was lost"),
        (says("result\trestored\nend\n"), "restored", None),
        (says("result\tincomplete\nend\n"), "failed", None),
    ],
)
def test_confirming_says_what_became_of_it(
    fault: Fault | None, state: str, what: str | None
) -> None:
    result = confirm(fleet(confirm=[fault]), None)
    assert only(result).state == state
    assert what is None or what in whats(only(result))
    assert result.run == "none"


@pytest.mark.parametrize(
    ("named", "said", "state", "what"),
    [
        (
            "r-1", "ended\tr-1\tconfirmed\t2026-11-21T10:16:00Z", "unchanged",
            "run r-1 was confirmed already, 2026-11-21 10:16:00 UTC",
        ),
        (
            None, "run\tr-1\nended\tr-1\tconfirmed\t2026-11-21T10:16:00Z", "unchanged",
            "run r-1 was confirmed already, 2026-11-21 10:16:00 UTC",
        ),
        (
            None, "ended\tr-1\tconfirmed\t2026-11-21T10:16:00Z", "refused",
            "nothing waits for a confirmation here: "
            "run r-1 was confirmed 2026-11-21 10:16:00 UTC",
        ),
        (
            "r-1", "ended\tr-1\trestored\t2026-11-21T10:16:00Z", "refused",
            "run r-1 does not wait for a confirmation here: "
            "run r-1 was put back 2026-11-21 10:16:00 UTC",
        ),
        ("r-2", "ended\t\t", "refused", "run r-2 does not wait for a confirmation here"),
    ],
)  # fmt: skip
def test_a_confirmation_that_comes_late_says_what_became_of_the_change(
    named: str | None, said: str, state: str, what: str
) -> None:
    result = confirm(fleet(confirm=[says(f"{said}\nresult\tgone\nend\n")]), named)
    outcome = only(result)
    assert (outcome.state, [*whats(outcome), *outcome.notes]) == (state, [what])


def test_a_confirmation_is_told_whose_change_waits_instead() -> None:
    said = "waiting\tr-2\thft\tbob@desk\t2026-11-21T10:15:00.1Z\tconfirming\t@empty\nresult\tgone\n"
    outcome = only(confirm(fleet(confirm=[says(f"{said}end\n")]), "r-1"))
    assert (outcome.state, whats(outcome)) == (
        "refused",
        [
            "run r-2 of bob@desk, begun 2026-11-21 10:15:00 UTC, is being confirmed: "
            "try again when that is done",
            "run r-1 does not wait for a confirmation here",
        ],
    )


def test_a_change_that_somebody_else_confirmed_is_not_called_restored(
    small: ProfileRequest,
) -> None:
    """The answer to the apply was lost, and before it was taken back a person confirmed it."""
    said = says("ended\tr-1\tconfirmed\t2026-11-21T10:16:00Z\nresult\tgone\n")
    hosts = fleet(apply=[lost(does_it=True)], cancel=[said])
    outcome = only(apply(hosts, plan(hosts, small), PATIENT))
    assert (outcome.state, outcome.notes) == (
        "applied", ("somebody else has confirmed it meanwhile",),
    )  # fmt: skip


def test_while_a_change_waits_nothing_is_called_done_that_may_go_back(
    small: ProfileRequest,
) -> None:
    """Planned now, the host seems to have what is wanted, and has nothing to roll back."""
    hosts = fleet()
    apply(hosts, plan(hosts, small), PATIENT)
    first = plan_rollback(hosts)
    assert first.hosts[0].steps
    waiting = apply(hosts, first, ApplyOptions(confirm=False)).run
    for made in (plan_rollback(hosts), plan(hosts, small)):
        [host] = made.hosts
        assert f"run {waiting} of unknown, begun 20" in host.waiting
        assert any(host.waiting in note for note in host.notes)
        outcome = only(apply(hosts, made, PATIENT))
        assert outcome.state == "refused"
    [checked] = verify(hosts, None).hosts
    assert any(f"run {waiting} of unknown" in note for note in checked.notes)


def test_a_look_that_spans_somebody_elses_change_is_taken_once_more(
    small: ProfileRequest,
) -> None:
    whole = ModelHost().answer
    torn = [says(f"torn\n{whole(probe_program(ProbeRequest()))}")]
    hosts = fleet(probe=[*torn, None])
    assert plan(hosts, small).hosts[0].state == "planned"
    assert hosts.kinds("db-1") == ["probe", "probe"]
    [host] = plan(fleet(probe=torn * 2), small).hosts
    assert (host.state, host.hint) == ("refused", "Try again when they are done.")
    assert "changes are made here by somebody else" in host.error


def test_a_confirmed_change_is_not_judged_by_the_one_after_it(small: ProfileRequest) -> None:
    hosts = fleet()
    made = plan(hosts, small)
    other = ModelHost().answer(_probe_of(made)).removesuffix("end\n")
    pending = "pending\tr-2\thft\tbob@desk\t2026-11-21T10:15:00Z\t@empty\t60"
    said = f"result\tconfirmed\n{other}{pending}\nend\n"
    hosts.faults["db-1"]["confirm"] = [says(said, does_it=True)]
    outcome = only(apply(hosts, made, PATIENT))
    assert (outcome.state, outcome.problems) == ("applied", ())
    assert outcome.notes[-1].startswith("the next change has begun already: run r-2 of bob@desk")


# Saved plans.


@pytest.fixture
def saved(small: ProfileRequest, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(plan(fleet(), small).model_dump_json(), encoding="utf-8")
    return path


def test_a_saved_plan_does_what_the_plan_did(saved: Path) -> None:
    hosts = fleet()
    outcome = only(apply(hosts, load_plan(saved), PATIENT))
    assert (outcome.state, outcome.problems) == ("applied", ())


EDITS: Mapping[str, tuple[str, str, str]] = {
    "a value": ('"after":"1"', '"after":"99"', "was changed after it was made"),
    "the host's name": ('"name":"db-1"', '"name":"db-2"', "was changed after it was made"),
    "the id": ('"id":"sha256:', '"id":"sha256:0', "was changed after it was made"),
    "the schema": ("optimizer/plan/1", "optimizer/plan/2", "is of another version"),
    "a step": ('"step":"value"', '"step":"shell"', "is not a plan: hosts.0.steps"),
    "a field": ('"kind":"apply"', '"kind":"apply","force":true', "is not a plan: force"),
    "its end": ("}", "", "is not a plan"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_plan_that_was_edited_is_refused(saved: Path, edit: str) -> None:
    old, new, said = EDITS[edit]
    text = saved.read_text(encoding="utf-8")
    assert old in text
    saved.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PlanFileError, match=said):
        load_plan(saved)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"not json", b"\xff\xfe"])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(PlanFileError, match=r"plan\.json"):
        load_plan(path)


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match=r"nothing\.json: cannot be read"):
        load_plan(tmp_path / "nothing.json")


def test_a_plan_may_be_printed_otherwise_and_is_still_the_same(saved: Path) -> None:
    import json

    document = json.loads(saved.read_text(encoding="utf-8"))
    saved.write_text(json.dumps(document, indent=2, sort_keys=True), encoding="utf-8")
    assert load_plan(saved).id == document["id"]


def test_a_file_of_somebody_else_is_not_overwritten(small: ProfileRequest) -> None:
    hosts = fleet()
    made = plan(hosts, small)
    hosts.hosts["db-1"].files[sysctl.FILE] = StoredFile(b"mine\n")
    outcome = only(apply(hosts, made, PATIENT))
    assert outcome.state == "refused"
    assert hosts.hosts["db-1"].files[sysctl.FILE].content == b"mine\n"
