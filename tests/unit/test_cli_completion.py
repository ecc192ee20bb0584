from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer.cli.main import main

ROOT = str(Path(__file__).parents[2])


def complete(*words: str) -> list[str]:
    """Ask for completions as bash does."""
    done = subprocess.run(
        [sys.executable, "-m", "optimizer.cli"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": ROOT,
            "_OPTIMIZER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("optimizer", *words)),
            "COMP_CWORD": str(len(words)),
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["plain,verify"]),
        (["plan", "@l"], ["plain,@local"]),
        (["plan", "inv"], ["file,inv"]),
        (["plan", "@local", "--profile", "develop"], ["plain,development"]),
        (
            ["plan", "@local", "--only", "system.sysctl.vm.swapp"],
            ["plain,system.sysctl.vm.swappiness"],
        ),
        (["plan", "@local", "--det"], ["plain,--detailed-exitcode"]),
        (["plan", "db-1,db-2,web-1", "--limit", "db"], ["plain,db-1", "plain,db-2"]),
        (["apply", "@local", "--allow", "restart,r"], ["plain,restart,reboot"]),
        (["profile", "show", "trading-b"], ["plain,trading-bot"]),
        (["completion", "z"], ["plain,zsh"]),
        (["plan", "@local", "--profile", "no-such"], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_words_are_completed(words: list[str], offered: list[str]) -> None:
    assert complete(*words) == offered


@pytest.mark.parametrize(
    ("shell", "part"),
    [("bash", "complete -o nosort -F"), ("zsh", "#compdef optimizer"), ("fish", "complete ")],
)
def test_each_shell_gets_its_script(
    shell: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert part in out
    assert "_OPTIMIZER_COMPLETE" in out


def test_the_bash_script_is_good_bash(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
