"""A directory of profiles to write and load, and the tunables that the tests of profiles use."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from optimizer import profiles
from optimizer.model.errors import OptimizerError
from optimizer.model.profile import Profile, Setting, Wanted

SWAPPINESS = "system.sysctl.vm.swappiness"
SOMAXCONN = "system.sysctl.net.core.somaxconn"
THP = "system.thp.enabled"
MIN_FREE = "system.sysctl.vm.min_free_kbytes"
RMEM_MAX = "system.sysctl.net.core.rmem_max"
SCHEDULER = "system.block.scheduler"
TCP_RMEM = "system.sysctl.net.ipv4.tcp_rmem"
TITAN = "system.logrotate.titan"


class Shelf:
    """A directory of profiles."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, name: str, body: str, head: str = "version: 1\n") -> Path:
        """Write a profile that has a name and a version."""
        return self.put_raw(name, f"name: {name}\n{head}{dedent(body)}")

    def put_raw(self, name: str, text: str | bytes) -> Path:
        """Write a file as it is given."""
        path = self.path / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def load(self, name: str) -> Profile:
        """Load one of the profiles."""
        return profiles.load(name, directories=[self.path])

    def lint(self, name: str) -> list[str]:
        """Return the problems of one of the profiles, as they are printed."""
        return [str(problem) for problem in profiles.lint(name, directories=[self.path])]

    def setting(self, line: str, body: str = "") -> Setting:
        """Return the only setting of a profile that has only this one."""
        self.put("one", f"set:\n  {line}\n{body}")
        [setting] = self.load("one").settings.values()
        return setting

    def refusal(self, line: str, body: str = "") -> OptimizerError:
        """Return what loading a profile with this setting raises."""
        with pytest.raises(OptimizerError) as error:
            self.setting(line, body)
        return error.value


def wanted(setting: Setting) -> Wanted:
    """Return the only alternative of a setting."""
    [alternative] = setting.alternatives
    return alternative
