"""Log rotation: a stanza of ours for each log set. Source: logrotate(8)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from optimizer.model.logset import LogSet, flatten, parse, render
from optimizer.model.observation import Observation
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep
from optimizer.model.tunable import Tunable
from optimizer.resources.base import Artifact, NothingAtStake, write_text

FILE = "/etc/logrotate.d/optimizer-{name}"


class Logrotate(NothingAtStake):
    """The resource kind of log sets."""

    name = "logrotate"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read our stanza."""
        return ProbeRequest(files=frozenset({FILE.format(name=tunable.target)}))

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the stanza as it is; a log set counts when logrotate next runs."""
        if "logrotate" not in observation.facts.tools:
            reason = "logrotate is not installed"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        path = FILE.format(name=tunable.target)
        state = observation.files.get(path)
        text = flatten(state.content.decode(errors="replace")) if state else None
        return (
            Reading(tunable, live=text, boot=text, source=path if state else None, has_live=False),
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse a stanza whose owner or directory the host lacks: logrotate would stop at it."""
        log_set = parse(reading.tunable.target, wanted)
        owner = log_set.su.split()
        if owner and owner[0] not in observation.users:
            return f"there is no user {owner[0]}"
        if owner and owner[1] not in observation.groups:
            return f"there is no group {owner[1]}"
        missing = sorted(_directories(log_set) - observation.directories)
        return f"there is no directory {missing[0]}" if missing else ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write one file a log set, and have logrotate read it before it is kept."""
        artifacts = []
        for difference in differences:
            path = FILE.format(name=difference.reading.tunable.target)
            text = render(difference.boot or "")
            artifacts.append(write_text(path, text, observation))
            check = ActionStep(action="check-logrotate", argument=path)
            artifacts.append(Artifact((check,), blobs={}))
        return Artifact.joined(artifacts)


def wanted_request(tunable: Tunable, canonical: str) -> ProbeRequest:
    """Read what decides whether a log set is possible: its directories, user and group."""
    log_set = parse(tunable.target, canonical)
    # Asking for a file makes the probe name the deepest directory above it that exists.
    files = {f"{directory}/.optimizer" for directory in _directories(log_set)}
    return ProbeRequest(files=frozenset(files), names=frozenset(log_set.su.split()))


def _directories(log_set: LogSet) -> set[str]:
    """Name the directories that have to be there: those above the first pattern of a path."""
    return {re.split(r"[*?\[]", path)[0].rpartition("/")[0] for path in log_set.paths}
