"""What a person should know of the Node services of a host, besides their changes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from optimizer.model.node import end_of_life
from optimizer.model.observation import Observation
from optimizer.planning.comparing import Verdict
from optimizer.resources.node_setting import hidden_options


def node_notes(verdicts: Sequence[Verdict], observation: Observation) -> Iterator[str]:
    """Name releases without security fixes, what our file hides, and reloads that are none."""
    yield from _ended(observation)
    for service in observation.node:
        hidden = hidden_options(service)
        if hidden and not service.problem:
            yield (
                f"{service.name}: {', '.join(hidden)} was added to its NODE_OPTIONS since ours "
                "were written, which hide it until they are written again"
            )
    changed = {
        verdict.reading.instance
        for verdict in verdicts
        if verdict.reading.tunable.module == "node" and verdict.difference
    }
    for service in observation.node:
        if service.reloads and service.name in changed:
            yield (
                f"{service.name} can be reloaded, which keeps the environment and the limits that "
                "it was started with: what is set here takes a restart"
            )


def _ended(observation: Observation) -> Iterator[str]:
    ended: dict[tuple[str, str], list[str]] = defaultdict(list)
    for service in observation.node:
        since = end_of_life(service.version, observation.facts.now)
        if since is not None:
            ended[service.version, since.isoformat()].append(service.name)
    for (version, day), names in ended.items():
        yield f"{', '.join(names)}: Node {version} has had no security fixes since {day}"
