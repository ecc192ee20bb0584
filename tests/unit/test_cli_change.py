"""apply, rollback, confirm and plan through the command line, over use cases made by hand."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from optimizer.app.requests import ApplyOptions, ProfileRequest
from optimizer.cli.main import main
from optimizer.model.errors import InventoryError
from optimizer.model.plan import Plan
from optimizer.model.result import ApplyResult, HostOutcome, RollbackResult
from optimizer.model.tunable import Permission
from optimizer.views import json as json_view
from tests.unit import view_samples as samples
from tests.unit.test_views_console import Terminal


@dataclass
class World:
    """The use cases: what they were asked, and what they answer."""

    plan: Plan = samples.ONE_HOST
    back: Plan = samples.BACK
    failure: BaseException | None = None
    asked: list[str] = field(default_factory=list)
    opened: tuple[Any, ...] = ()
    request: ProfileRequest | None = None
    allowed: frozenset[Permission] = frozenset()
    options: ApplyOptions | None = None

    def open_fleet(self, *where: Any) -> str:
        self.opened = where
        return "fleet"

    def make_plan(
        self, fleet: str, request: ProfileRequest, allow: frozenset[Permission], progress: Any
    ) -> Plan:
        assert fleet == "fleet"
        self.asked.append("plan")
        self.request, self.allowed = request, allow
        progress.phase("probing", 1)
        progress.host("db-1", "done")
        return self.plan

    def plan_rollback(
        self,
        fleet: str,
        to: str,
        include_foreign: bool,
        allow: frozenset[Permission],
        progress: Any,
    ) -> Plan:
        self.asked.append(f"plan back to {to}, foreign {include_foreign}")
        return self.back

    def apply(
        self, fleet: str, plan: Plan, options: ApplyOptions, progress: Any
    ) -> ApplyResult | RollbackResult:
        self.asked.append(f"apply {plan.kind}")
        self.options = options
        if self.failure:
            raise self.failure
        return samples.ROLLED_BACK if plan.kind == "rollback" else samples.APPLIED

    def confirm(self, fleet: str, run: str | None, progress: Any) -> ApplyResult:
        self.asked.append(f"confirm {run}")
        return ApplyResult(
            run="r", profile=samples.PROFILE, hosts=(HostOutcome(name="a", state="restored"),)
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    parts: dict[str, dict[str, Callable[..., Any]]] = {
        "optimizer.engine.fleet": {"open_fleet": made.open_fleet},
        "optimizer.app.plan": {"plan": made.make_plan},
        "optimizer.app.apply": {"apply": made.apply},
        "optimizer.app.confirm": {"confirm": made.confirm},
        "optimizer.app.rollback": {"plan_rollback": made.plan_rollback},
    }
    for name, functions in parts.items():
        module = ModuleType(name)
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, name, module)
    return made


class Person:
    """Somebody at a terminal who types an answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
        self._screen = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(answer.encode()), encoding="utf-8"))
        monkeypatch.setattr(sys, "stderr", Terminal(self._screen, encoding="utf-8"))
        monkeypatch.setenv("TERM", "dumb")

    @property
    def saw(self) -> str:
        sys.stderr.flush()
        return self._screen.getvalue().decode()


APPLY = ["apply", "@local", "--profile", "hft"]


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n"])
def test_a_person_who_agrees_gets_the_change(
    world: World,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    person = Person(monkeypatch, answer)
    assert main(APPLY) == 0
    assert world.asked == ["plan", "apply apply"]
    assert "Apply 8 changes to 1 host? [y/N] " in person.saw
    out = capsys.readouterr().out
    assert out.index("Plan: 8 to change") < out.index("Run r-0193")


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yeah\n", "1\n"])
def test_anything_else_changes_nothing(
    world: World, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(monkeypatch, answer)
    assert main(APPLY) == 1
    assert world.asked == ["plan"]
    assert "error[CLI-004]" in person.saw


@pytest.mark.parametrize("more", [["--no-input"], ["--format", "json"]], ids=str)
def test_a_person_who_must_not_be_asked_is_not(
    world: World, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(monkeypatch, "y\n")
    assert main([*APPLY, *more]) == 1
    assert world.asked == []
    assert "y/N" not in person.saw


@pytest.mark.parametrize(
    ("answer", "is_agreed"), [("197\n", True), ("y\n", False), ("200\n", False)]
)
def test_above_ten_hosts_their_number_has_to_be_typed(
    world: World, answer: str, is_agreed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plan = samples.FLEET
    person = Person(monkeypatch, answer)
    main(APPLY)
    assert ("apply apply" in world.asked) == is_agreed
    assert "Apply 383 changes to 197 hosts? Type the number of hosts" in person.saw


def test_a_plan_that_went_into_a_file_is_shown_with_the_question(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Person(monkeypatch, "n\n")
    main(APPLY)
    assert "sysctl.vm.swappiness" in capsys.readouterr().out
    assert "sysctl.vm.swappiness" in person.saw


def test_nothing_to_do_asks_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.plan = samples.UP_TO_DATE
    person = Person(monkeypatch, "")
    assert main(APPLY) == 0
    assert "?" not in person.saw


def test_a_refused_plan_is_not_applied_to_the_other_hosts(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.plan = samples.REFUSED
    assert main([*APPLY, "--yes"]) == 1
    assert world.asked == ["plan"]
    out, err = capsys.readouterr()
    assert "db-2   refused" in out
    assert "error[CLI-003]" in err
    assert "Use a share: 25% ram." in err


def test_json_is_one_document_and_nothing_else(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*APPLY, "--yes", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "optimizer/apply/1"
    assert ApplyResult.model_validate(document) == samples.APPLIED


def test_options_reach_the_use_case(world: World) -> None:
    words = [*APPLY, "--yes", "--allow", "restart,data", "--allow", "reboot"]
    words += ["--confirm-timeout", "300", "--no-confirm", "--limit", "db-*", "--limit", "web-*"]
    words += ["--only", "system.*", "--skip", "*.vm.*", "--set", "a.b = 1 2", "--force", "c=3"]
    assert main([*words, "--connect-timeout", "3"]) == 0
    assert world.opened == ("@local", ("db-*", "web-*"), 3)
    wishes = ({"a.b": "1 2"}, {"c": "3"})
    assert world.request == ProfileRequest("hft", ("system.*",), ("*.vm.*",), *wishes)
    assert world.allowed == set(Permission)
    options = world.options
    assert options is not None
    assert options.allow == set(Permission)
    assert Permission.DATA in options.allow
    assert (options.confirm_timeout, options.confirm) == (300, False)
    assert "@" in options.by


def test_consent_is_not_taken_from_the_environment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIMIZER_APPLY_YES", "1")
    assert main(APPLY) == 1
    assert world.asked == []
    monkeypatch.setenv("OPTIMIZER_APPLY_ALLOW", "restart")
    monkeypatch.setenv("OPTIMIZER_APPLY_NO_CONFIRM", "1")
    assert main([*APPLY, "--yes"]) == 0
    assert world.options is not None
    assert world.options.allow == frozenset()
    assert world.options.confirm


def test_other_options_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIMIZER_PLAN_PROFILE", "hft")
    monkeypatch.setenv("OPTIMIZER_PLAN_CONNECT_TIMEOUT", "7")
    assert main(["plan", "@local"]) == 0
    assert world.opened == ("@local", (), 7)


def test_a_saved_plan_is_applied_to_its_own_hosts(world: World, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    assert main(["plan", "@local", "--profile", "hft", "-o", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert Plan.model_validate_json(file.read_text()) == samples.ONE_HOST
    assert main(["apply", str(file), "--yes"]) == 0
    assert world.opened[0] == "db-1"
    assert main(["apply", str(file), "--yes", "--inventory", "inv.py", "--limit", "db-1"]) == 0
    assert world.opened == ("inv.py", ("db-1",), 10)
    assert world.asked == ["plan", "apply apply", "apply apply"]


def test_a_saved_plan_needs_consent_like_any_other(world: World, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json_view.text(samples.ONE_HOST))
    assert main(["apply", str(file)]) == 1
    assert world.opened == ()


@pytest.mark.parametrize(
    ("more", "code"), [([], 0), (["--detailed-exitcode"], 2), (["-q", "--detailed-exitcode"], 2)]
)
def test_plan_tells_differences_where_that_is_asked_for(
    world: World, more: list[str], code: int
) -> None:
    assert main(["plan", "@local", "--profile", "hft", *more]) == code


@pytest.mark.parametrize(
    "more", [["--profile", "x"], ["--set", "a=1"], ["--force", "a=1"], ["--only", "a"]], ids=str
)
def test_a_saved_plan_cannot_be_bent(
    world: World, more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json_view.text(samples.ONE_HOST))
    assert main(["apply", str(file), "--yes", *more]) == 64
    assert "is a saved plan" in capsys.readouterr().err


def test_an_edited_plan_is_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json_view.text(samples.ONE_HOST).replace('"4096"', '"65535"'))
    assert main(["apply", str(file), "--yes"]) == 1
    assert "error[PLAN-001]" in capsys.readouterr().err
    assert world.opened == ()


def test_a_plan_that_cannot_be_saved_is_a_failure(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    words = ["plan", "@local", "--profile", "hft", "-o", str(tmp_path / "full")]
    assert main(words) == 1
    assert "error[CLI-005]" in capsys.readouterr().err


def test_a_result_file_that_fails_does_not_hide_what_was_done(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    words = ["@local", "--profile", "hft", "--json-into", str(tmp_path / "full")]
    assert main(["apply", *words, "--yes"]) == 0
    out, err = capsys.readouterr()
    assert "Run r-0193" in out
    assert "error[CLI-005]" in err
    assert main(["plan", *words]) == 1


def test_rollback_shows_asks_and_takes_the_way_back(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Person(monkeypatch, "y\n")
    assert main(["rollback", "@local", "--to", "4f1c", "--include-foreign"]) == 0
    assert world.asked == ["plan back to 4f1c, foreign True", "apply rollback"]
    assert "Restore 2 changes on 1 host? [y/N]" in person.saw
    assert "rolled back" in capsys.readouterr().out


def test_a_dry_rollback_needs_no_consent_and_changes_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollback", "@local", "--to", "4f1c", "--dry-run"]) == 0
    assert world.asked == ["plan back to 4f1c, foreign False"]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Next: optimizer rollback @local --to 4f1c"


def test_confirm_ends_with_what_became_of_the_hosts(world: World) -> None:
    assert main(["confirm", "@local", "r-1"]) == 3
    assert main(["confirm", "@local"]) == 3
    assert world.asked == ["confirm r-1", "confirm None"]


def test_quiet_leaves_advice_out(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "@local", "--profile", "hft", "-q"]) == 0
    out, err = capsys.readouterr()
    assert "sysctl.vm.swappiness" in out
    assert "Next:" not in out
    assert err == ""


def test_verbose_tells_about_hosts_on_stderr_and_shows_diffs(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "@local", "--profile", "hft", "-v"]) == 0
    out, err = capsys.readouterr()
    assert "+vm.swappiness = 1" in out
    assert err == "db-1: done\n"


def test_an_error_of_a_use_case_keeps_its_code(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.failure = InventoryError(inventory="x", what="gone")
    assert main([*APPLY, "--yes"]) == 1
    assert "error[INVENTORY-001]: Inventory x: gone" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.failure = KeyboardInterrupt()
    assert main([*APPLY, "--yes"]) == 130
    assert "error[CLI-130]: Interrupted." in capsys.readouterr().err
    assert main([*APPLY, "--yes", "--format", "json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "CLI-130"


def test_a_defect_is_one_line_and_a_file(
    world: World, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.failure = ZeroDivisionError("oops")
    assert main([*APPLY, "--yes"]) == 4
    err = capsys.readouterr().err
    assert "error[INTERNAL]: This is a defect of the optimizer" in err
    assert "ZeroDivisionError: oops" in err
    assert "Traceback (most" not in err
    [file] = (state / "crash").iterdir()
    assert file.name in err.replace("\n", "").replace(" ", "")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "raise self.failure" in file.read_text()


def test_a_defect_before_anything_was_changed_ends_with_1(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules["optimizer.engine.fleet"], "open_fleet", None)
    assert main([*APPLY, "--yes"]) == 1
    assert "error[INTERNAL]" in capsys.readouterr().err


def test_verbose_shows_the_traceback(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.failure = ZeroDivisionError("oops")
    assert main([*APPLY, "--yes", "-v"]) == 4
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_defect_is_told_even_where_no_file_can_be_kept(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OPTIMIZER_STATE_DIR", str(tmp_path / "file"))
    world.failure = ZeroDivisionError("oops")
    assert main([*APPLY, "--yes", "--format", "json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "INTERNAL"
    assert "could not be saved" in error["hint"]
