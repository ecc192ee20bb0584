"""Wrong command lines: one error, the nearest right word, exit status 64 or 1."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from optimizer.cli.main import main


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["plam"], "No such command 'plam'", "Did you mean optimizer plan?"),
        (["profile", "lst"], "No such command 'lst'", "Did you mean optimizer profile list?"),
        (["xyzzy"], "No such command 'xyzzy'", "optimizer --help"),
        (["plan", "@local", "--profil", "hft"], "No such option", "Did you mean --profile?"),
        (["plan", "@local", "--zzz"], "No such option", "optimizer plan --help"),
        (["--zzz", "plan"], "No such option", "optimizer --help"),
        (["plan"], "Missing argument 'INVENTORY'", "optimizer plan --help"),
        (["plan", "a", "b"], "unexpected extra argument", "optimizer plan --help"),
        (["plan", "@local"], "--profile is missing", "optimizer profile list"),
        (["plan", "a,b"], "--profile is missing", "optimizer profile list"),
        (["apply", "@local"], "--profile is missing", "optimizer profile list"),
        (["score", "@local"], "--profile is missing", "optimizer profile list"),
        (["plan", "@local", "--format", "xml"], "'xml' is not one of", "--help"),
        (["plan", "@local", "--connect-timeout", "0"], "0 is not in the range", "--help"),
        (["plan", "@local", "--set", "a"], "not of the form ID=VALUE", "--help"),
        (["plan", "@local", "--set", "a=1", "--set", "a=2"], "a is given twice", "--help"),
        (["plan", "@local", "--allow", "resart"], "'resart' is not one of restart", "--help"),
        (["plan", "@local", "-o", "no/where.json"], "there is no directory", "--help"),
        (
            ["score", "@local", "--profile", "x", "--fail-under", "101"],
            "not in the range",
            "--help",
        ),
        (["verify", "@local", "--only", "a*"], "--profile is missing", "Without --profile"),
        (["apply", "@local", "--profile", "x", "--inventory", "y"], "is for a saved plan", "Give"),
        (["completion", "tcsh"], "'tcsh' is not one of", "optimizer completion --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(
    words: list[str],
    message: str,
    hint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 64
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()[0], " ".join(err.split())
    assert first.startswith("error[CLI-001]: ")
    assert message in second
    assert hint in second
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--format", "json", "--bogus"],
        ["plan", "--bogus", "--format=json"],
        ["plan", "@local", "--format", "json"],
        ["verify", "--format", "json"],
    ],
    ids=" ".join,
)
def test_wrong_usage_in_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 64
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert document["schema"] == "optimizer/error/1"
    assert document["error"]["code"] == "CLI-001"
    assert set(document["error"]) == {"code", "message", "host", "hint"}


def test_the_environment_chooses_json_for_wrong_usage_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIMIZER_PLAN_FORMAT", "json")
    assert main(["plan", "--bogus"]) == 64
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "CLI-001"


def test_a_failure_goes_into_the_json_file_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    assert main(["profile", "show", "no-such", "--json-into", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error[PROFILE-002]: ")
    assert json.loads(file.read_text())["error"]["code"] == "PROFILE-002"


def test_an_unknown_profile_offers_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", "developmnt"]) == 1
    assert "Did you mean development?" in capsys.readouterr().err


def test_an_unknown_tunable_offers_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tunable", "show", "vm.swapiness"]) == 1
    assert "Did you mean system.sysctl.vm.swappiness?" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("words", [[], ["profile"], ["tunable"]], ids=str)
def test_without_a_verb_there_is_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: optimizer ")
    assert "Exit status:" in err


@pytest.mark.parametrize("verb", [["apply", "--profile", "x"], ["rollback"]], ids=" ".join)
@pytest.mark.parametrize("more", [[], ["--format", "json"], ["--no-input"]], ids=str)
def test_nobody_to_ask_and_no_consent_does_nothing_at_all(
    verb: list[str],
    more: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The engine is not even there: nothing may be connected to.
    monkeypatch.setitem(sys.modules, "optimizer.engine.fleet", None)
    assert main([verb[0], "@local", *verb[1:], *more]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)["error"]["code"] if "json" in more else err[6:13]
    assert told == "CLI-002"
