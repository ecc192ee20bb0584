"""Values of a network namespace that move together: on a container's own interfaces."""

from __future__ import annotations

import json

from testbed.host import Host
from tests.hosts.arranged import arranged, value, with_value
from tests.hosts.conftest import MakeController
from tests.hosts.lab import Lab
from tests.hosts.promised import canonical_after, promised

CONF = "/proc/sys/net/ipv4/conf"
SYSCTL = "system.sysctl.net.ipv4."


def test_forwarding_takes_all_interfaces_along_and_gives_each_its_own_back(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(bookworm)
    profile = one.folder / "router.yaml"
    wanted = {f"{SYSCTL}ip_forward": 1, f"{SYSCTL}conf.default.log_martians": 1}
    profile.write_text(json.dumps({"name": "router", "version": 1, "summary": "S.", "set": wanted}))
    forward = f"{CONF}/lo/forwarding"
    with arranged(bookworm, f"echo 1 >{forward}", f"echo 0 >{forward}"):
        path = one.save_plan("--profile", str(profile))
        one.apply_saved(path).expect(0)
        assert value(bookworm, f"{CONF}/host0/forwarding") == "1"
        assert value(bookworm, f"{CONF}/all/accept_redirects") == "0"
        after = canonical_after(lab.changes("bookworm"))
        expected = promised(json.loads(path.read_text())["hosts"][0], lab.pristine("bookworm"))
        assert after == expected
        assert one.verify().expect(0).host("bookworm")["drift"] == []
        with arranged(bookworm, "ip link add late type veth peer name later", "ip link del late"):
            # It begins with what is the default by now, and is on the way back as well.
            assert value(bookworm, f"{CONF}/late/forwarding") == "1"
            one.rollback().expect(0)
            assert value(bookworm, f"{CONF}/late/forwarding") == "0"
            assert value(bookworm, forward) == "1"
    with_value(bookworm, forward, "0")
    assert lab.changes("bookworm") == {}
