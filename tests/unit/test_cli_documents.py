"""The documentation of the command line is that of the program."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from optimizer.cli import reference
from optimizer.cli.exits import MEANINGS
from optimizer.cli.main import VERBS, main, root
from optimizer.model.errors import ExitCode

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")


def all_commands() -> list[str]:
    context = click.Context(root)
    names: list[str] = []
    for verb in VERBS:
        command = root.get_command(context, verb)
        assert command is not None
        names.append(verb)
        if isinstance(command, click.Group):
            names += [f"{verb} {name}" for name in command.list_commands(context)]
    return names


@pytest.mark.parametrize("words", all_commands())
def test_each_verb_is_documented_with_help_example_and_exit_status(words: str) -> None:
    text = reference.help_of(words)
    assert "Examples:\n" in text
    assert f"  optimizer {words} " in text or f"  optimizer {words}\n" in text
    for code, meaning in MEANINGS.items():
        assert f"  {int(code):<4} {meaning}\n" in text + "\n"
    assert f"<!-- help: {words} -->" in COMMANDS
    verb = words.split()[0]
    section = COMMANDS.split(f"\n## {verb}\n")[1].split("\n## ")[0]
    assert f"```sh\noptimizer {verb} " in section


def test_generated_pages_are_up_to_date() -> None:
    for path, text in reference.pages(DOCS).items():
        assert path.read_text(encoding="utf-8") == text, "run: python -m optimizer.cli.reference"


def test_the_overview_says_what_each_verb_does_without_cutting_it() -> None:
    overview = reference.help_of("")
    assert "..." not in overview.split("Commands:")[1]
    for verb in VERBS:
        assert f"\n  {verb} " in overview


def test_every_error_has_a_code_of_its_own_and_is_listed() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    types = reference.error_types()
    for one in types:
        assert f"| `{one.code}` |" in page
        assert ExitCode(one.exit_code)
    codes = [one.code for one in types if one.code != "INTERNAL"]
    assert len(codes) == len(set(codes))


def test_a_page_that_names_a_verb_that_is_gone_is_noticed() -> None:
    with pytest.raises(LookupError, match="no such verb"):
        reference.with_help("<!-- help: no such verb -->\n<!-- end -->")


@pytest.mark.parametrize("words", [["profile", "list"], ["profile", "show", "development"]])
def test_profiles_as_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "optimizer/profile/1"
    names = [one["name"] for one in document["profiles"]]
    assert "development" in names
    is_whole = words[1] == "show"
    assert any(one["settings"] for one in document["profiles"]) == is_whole


def test_a_broken_profile_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "broken.yaml").write_text("name: [")
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "list"]) == 1
    out = capsys.readouterr().out
    assert "! broken: " in out
    assert "\nproduction " in out


def test_lint_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nversion: 1\nsummary: x\nset:\n  system.sysctl.vm.swappiness: 999\n"
    )
    assert main(["profile", "lint", str(file)]) == 1
    assert "vm.swappiness" in capsys.readouterr().out
    assert main(["profile", "lint", str(file), "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"]


@pytest.mark.parametrize(
    ("more", "listed", "hidden"),
    [
        (["--only", "*.vm.*"], "system.sysctl.vm.swappiness", "system.sysctl.net"),
        (["--skip", "*.vm.*"], "system.sysctl.net", "system.sysctl.vm."),
    ],
)
def test_tunables_are_listed_by_glob(
    more: list[str], listed: str, hidden: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tunable", "list", *more]) == 0
    out = capsys.readouterr().out
    assert f"\n{listed}" in f"\n{out}"
    assert f"\n{hidden}" not in f"\n{out}"
