"""What a plan promises, in the words of the scan: read from its JSON, not from the product."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.hosts.scan import Differences, Scan

_SCHEDULER = re.compile(r"(?P<queue>/sys/block/[^/]+/queue)/scheduler")
# An I/O scheduler brings a folder of its own settings along, `iosched`, and takes it away again:
# what Linux 6.1 puts there. async_depth is as deep as the queue.
_OWN_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "none": {},
    "mq-deadline": {
        "fifo_batch": "16",
        "front_merges": "1",
        "prio_aging_expire": "10000",
        "read_expire": "500",
        "write_expire": "5000",
        "writes_starved": "2",
    },
}


def promised(plan: Mapping[str, Any], before: Scan) -> dict[str, str | None]:
    """Return scan key -> text afterwards (None: gone) of all that a host's plan lists."""
    return {
        key: text
        for key, text in _promises(plan, before)
        if text != canonical(key, before.get(key))
    }


def _promises(plan: Mapping[str, Any], before: Scan) -> Iterator[tuple[str, str | None]]:
    for step in plan["steps"]:
        match step["step"]:
            # What a server says is looked at apart from the rest of its host.
            case "value" if step["path"].startswith("/"):
                # What goes with an I/O scheduler is not there any more.
                yield (
                    _value_key(step["path"]),
                    None if step["after"] == "@absent" else step["after"],
                )
                if step["before"] != step["after"]:
                    yield from _brought_along(plan, step, before)
            case "file":
                after = step["after"]
                text = f"f {after['mode']} {after['owner']} {after['sha256']}" if after else None
                yield f"file {step['path']}", text
            case "directory":
                yield f"file {step['path']}", "d 755 0:0" if step["is_present"] else None
            case "link":
                text = f"l 777 0:0 {step['after']}" if step["after"] else None
                yield f"file {step['path']}", text
            case "module":
                yield from _module(step["name"], step["is_loaded"], before)


def _brought_along(
    plan: Mapping[str, Any], step: Mapping[str, Any], before: Scan
) -> Iterator[tuple[str, str | None]]:
    """Yield the settings that come and go with the I/O scheduler of a disk."""
    found = _SCHEDULER.fullmatch(step["path"])
    if not found:
        return
    queue = found["queue"]
    folder = f"sys {queue}/iosched/"
    yield from ((key, None) for key in before if key.startswith(folder))
    own = _OWN_SETTINGS[step["after"]]
    yield from ((folder + name, value) for name, value in own.items())
    if step["after"] == "mq-deadline":
        depth = f"{queue}/nr_requests"
        after = {one["path"]: one["after"] for one in plan["steps"] if one["step"] == "value"}
        yield f"{folder}async_depth", after.get(depth, before[f"sys {depth}"])


def _value_key(path: str) -> str:
    if path.startswith("/proc/sys/"):
        # sysctl prints a dot in a name, as of an interface, as a slash.
        return "sysctl " + path.removeprefix("/proc/sys/").translate(str.maketrans("/.", "./"))
    return f"sys {path}"


def _module(name: str, is_loaded: bool, before: Scan) -> Iterator[tuple[str, str | None]]:
    yield f"module {name}", "loaded" if is_loaded else None
    if name.startswith("tcp_"):
        key = "sysctl net.ipv4.tcp_available_congestion_control"
        words = [word for word in before[key].split() if word != name.removeprefix("tcp_")]
        yield key, " ".join([*words, *([name.removeprefix("tcp_")] if is_loaded else [])])


def listed_values(plan: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return tunable -> (before, after) of the live values among the changes people are shown."""
    return {
        change["tunable"]: (change["before"], change["after"])
        for change in plan["changes"]
        if change["kind"] in ("sysctl", "sysfs") and change["before"] != change["after"]
    }


def canonical(key: str, text: str | None) -> str | None:
    """Write a value as a plan does: blanks squeezed, of several choices the one in brackets."""
    if text is None or key.startswith("file "):
        return text
    chosen = re.search(r"\[([^\]]*)\]", text) if key.startswith("sys ") else None
    return chosen[1] if chosen else " ".join(text.split())


def canonical_after(differences: Differences) -> dict[str, str | None]:
    """Return scan key -> canonical text afterwards."""
    return {key: canonical(key, after) for key, (_, after) in differences.items()}
