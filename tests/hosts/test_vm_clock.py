"""The clock of the day jumps while a change waits: the safety timer goes by another one."""

from __future__ import annotations

import pytest

from testbed.host import Host
from tests.hosts.lab import STATE, Lab
from tests.hosts.raw_change import FOLDER, RETRIES_PATH, raw_change

pytestmark = [pytest.mark.vm, pytest.mark.slow]

TIMEOUT = 8
# What an emulated machine without a core to itself may take to put a change back, in seconds:
# next to nothing beside the days by which its clock jumps.
SLACK = 30
JOURNAL = f"{STATE}/journal"
# The timers of the host itself would all fire on another day.
_JUMPS = f"""
timers=$(systemctl list-units --type=timer --state=active --plain --no-legend | cut -d ' ' -f 1)
systemctl stop $timers
up() {{ read -r now _ </proc/uptime; echo "$now"; }}
began=$(up); today=$(date +%s)
sh {FOLDER}/apply >{FOLDER}/applied
armed=$(awk -F '\\t' '$1 == "armed" {{ print $4 }}' {JOURNAL}/progress)
date -s '+1 day' >/dev/null
sleep 1; ahead=$(cat {RETRIES_PATH})
date -s '-2 days' >/dev/null
sleep 1; behind=$(cat {RETRIES_PATH})
for tick in $(seq 600); do [ -e {JOURNAL} ] || break; sleep 0.1; done
ended=$(up)
date -s "@$(echo "$today $began $ended" | awk '{{ printf "%d", $1 + $3 - $2 }}')" >/dev/null
systemctl start $timers
echo "$ahead $behind $(cat {RETRIES_PATH}) $armed $ended"
"""


@pytest.mark.parametrize("kind", ["systemd", "process"])
def test_the_host_comes_back_in_time_though_its_clock_jumps_by_days(
    machine: Host, lab: Lab, kind: str
) -> None:
    """A day ahead would make a timer by the clock fire at once, a day back would make it wait."""
    # Without systemd-run a process waits.
    way = "" if kind == "systemd" else "chmod -x /usr/bin/systemd-run;"
    with raw_change(machine, TIMEOUT):
        try:
            said = machine.run(f"{way} {_JUMPS}").stdout
        finally:
            machine.run("chmod +x /usr/bin/systemd-run")
    *values, armed, ended = said.split()
    # Changed a day ahead and a day back, and put back at last.
    assert values == ["8", "8", "15"]
    took = float(ended) - float(armed)
    print(f"{kind}: armed for {TIMEOUT} s, put back after {took:.1f} s")
    assert TIMEOUT - 0.5 <= took <= TIMEOUT + SLACK
    assert lab.changes("machine") == {}
