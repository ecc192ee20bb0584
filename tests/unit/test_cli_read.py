"""verify, score, history, doctor and snapshot through the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from optimizer.app.requests import ProfileRequest
from optimizer.cli.main import main
from optimizer.model.result import HistoryResult
from tests.unit import view_samples as samples

Calls = list[tuple[Any, ...]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Use cases that note how they were called and answer with a sample."""
    made: Calls = []

    def use_case(name: str, answer: object) -> Callable[..., object]:
        def call(*given: object) -> object:
            made.append((name, *given))
            return answer

        return call

    parts: dict[str, dict[str, object]] = {
        "engine.fleet": {"open_fleet": "fleet"},
        "app.verify": {"verify": samples.VERIFIED},
        "app.score": {"score": samples.SCORED},
        "app.doctor": {"doctor": samples.DIAGNOSED},
        "app.snapshot": {"take_snapshot": samples.TAKEN},
        "app.history": {
            "runs": samples.RUNS,
            "snapshots": samples.SNAPSHOTS,
            "show": HistoryResult(),
        },
    }
    for name, answers in parts.items():
        module = ModuleType(f"optimizer.{name}")
        vars(module).update({word: use_case(word, answer) for word, answer in answers.items()})
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_verify_without_a_profile_asks_for_what_was_applied(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "inv.py", "--limit", "web-*"]) == 5
    assert calls[0] == ("open_fleet", "inv.py", ("web-*",), 10)
    assert calls[1][:3] == ("verify", "fleet", None)
    assert capsys.readouterr().out.startswith("4 of 8 hosts match")


def test_verify_with_a_profile_asks_for_that(calls: Calls) -> None:
    main(["verify", "inv.py", "--profile", "hft", "--only", "a.*"])
    assert calls[1][2] == ProfileRequest("hft", ("a.*",))


@pytest.mark.parametrize(("more", "code"), [([], 0), (["58"], 0), (["59"], 2)], ids=str)
def test_score_fails_under_what_is_wanted(calls: Calls, more: list[str], code: int) -> None:
    fail_under = ["--fail-under", *more] if more else []
    assert main(["score", "inv.py", "--profile", "hft", *fail_under]) == code


def test_inventory_data_may_choose_the_profile(calls: Calls) -> None:
    assert main(["score", "inv.py"]) == 0
    assert calls[1][2] == ProfileRequest()


def test_doctor(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "inv.py", "--format", "json"]) == 5
    assert json.loads(capsys.readouterr().out)["schema"] == "optimizer/doctor/1"


@pytest.mark.parametrize(("more", "profile"), [([], ""), (["--profile", "hft"], "hft")])
def test_doctor_takes_the_thresholds_of_a_profile(
    calls: Calls, capsys: pytest.CaptureFixture[str], more: list[str], profile: str
) -> None:
    main(["doctor", "inv.py", *more])
    assert calls[-1][-1] == profile
    assert f"--profile {profile or 'NAME'}" in capsys.readouterr().out


def test_snapshot_has_a_label_and_an_author(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", "inv.py", "--label", "before upgrade"]) == 1
    assert calls[1][:3] == ("take_snapshot", "fleet", "before upgrade")
    assert "@" in calls[1][3]
    assert "snapshot 4f1c9a27d3b0" in capsys.readouterr().out


def test_history_without_an_inventory_connects_to_nothing(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history"]) == 0
    assert [call[0] for call in calls] == ["runs"]
    assert "r-0193" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["r-0191", "r-01"])
def test_history_takes_the_beginning_of_an_id_for_a_run(calls: Calls, word: str) -> None:
    assert main(["history", word]) == 0
    assert [call[0] for call in calls] == ["runs", "show"]
    assert calls[1][1:3] == (None, word)


@pytest.mark.parametrize("word", ["db-1", "r-7", "r"])
def test_history_takes_any_other_word_for_an_inventory(calls: Calls, word: str) -> None:
    assert main(["history", word, "--connect-timeout", "3"]) == 5
    assert [call[0] for call in calls if call[0] != "runs"] == ["open_fleet", "snapshots"]
    assert calls[-2][1:] == (word, (), 3)


def test_history_shows_a_snapshot_of_an_inventory(calls: Calls) -> None:
    assert main(["history", "inv.py", "4f1c"]) == 0
    assert [call[0] for call in calls] == ["open_fleet", "show"]
    assert calls[1][1:3] == ("fleet", "4f1c")
