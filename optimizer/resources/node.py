"""Node services: options, variables and limits, in a drop-in of ours for each unit.

NODE_OPTIONS of ours are those that the unit has, with only our options replaced. Nothing is set
for all of the host. Sources: https://nodejs.org/api/cli.html, systemd.exec(5),
systemd.resource-control(5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from optimizer.host import node_probe
from optimizer.model.node import OPTIONS, PROBE_FILE, NodeService, value_path
from optimizer.model.observation import Observation
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep, Step, ValueStep
from optimizer.model.tunable import Tunable
from optimizer.resources.base import (
    DAEMON_RELOAD,
    Artifact,
    NothingAtStake,
    canonical,
    own_text,
    write_text,
)
from optimizer.resources.node_drop_in import DropIn, read
from optimizer.resources.node_setting import (
    OPEN_FILES,
    PROBE,
    Directive,
    Option,
    base,
    next_text,
    setting_of,
)

WORKER_COUNT = "node.worker-count."
_NO_LIMIT = "infinity"
# Under this name the plan has a variable in which several tunables live.
_TOGETHER = {OPTIONS: "node.options"}


class NodeSetting(NothingAtStake):
    """The resource kind of Node services; each unit is an instance."""

    name = "node"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Have the services found, and what sets this on each of them."""
        setting = setting_of(tunable)
        directive = {tunable.target, f"{tunable.target}Soft"}
        return ProbeRequest(
            node=frozenset({tunable.target}),
            properties=frozenset({"MainPID", "DropInPaths", "FragmentPath"})
            | (directive if isinstance(setting, Directive) else frozenset()),
            files=frozenset({PROBE_FILE} if tunable.target == PROBE else ()),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the tunable of every Node service on the host."""
        if not observation.node and "node" in observation.services:
            reason = "the Node services of the host can be seen with root's rights only"
            return (Reading(tunable, state=ReadingState.UNKNOWN, reason=reason),)
        if not observation.node:
            reason = "there is no Node service on this host"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        return tuple(_read(tunable, service, observation) for service in observation.node)

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Refuse what the service's own program, or the kernel of the host, does not take."""
        service = service_of(reading, observation)
        if reading.tunable.target == OPEN_FILES:
            return _too_many_files(reading, wanted, observation.facts.file_limit)
        if not isinstance(setting_of(reading.tunable), Option):
            return ""
        if not service.version:
            return f"{service.executable} could not be asked what it takes"
        words = service.refused.get(reading.tunable.target)
        return f"Node {service.version} says: {words}" if words else ""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write one drop-in a service; restarting it waits until that is allowed."""
        services: dict[str, list[Difference]] = defaultdict(list)
        for difference in differences:
            services[difference.reading.instance].append(difference)
        # Before any unit names it: a service does not start without a file that it has to load.
        probe = [write_text(PROBE_FILE, node_probe(), observation)] if _loads(differences) else []
        units = [
            _write(service_of(changed[0].reading, observation), changed, observation)
            for changed in services.values()
        ]
        return Artifact.joined([*probe, *units])


def _too_many_files(reading: Reading, wanted: str, most: int | None) -> str:
    """Refuse a hard limit that systemd would lower without a word, and that would never be had."""
    if most is None or wanted == _NO_LIMIT or reading.tunable.value.order(wanted)[1] <= most:
        return ""
    return f"no service gets more than {most} open files here"


def _loads(differences: Sequence[Difference]) -> bool:
    return any(one.reading.tunable.target == PROBE and one.boot == "on" for one in differences)


def service_of(reading: Reading, observation: Observation) -> NodeService:
    """Return the service that a reading is of."""
    return next(one for one in observation.node if one.name == reading.instance)


def _read(tunable: Tunable, service: NodeService, observation: Observation) -> Reading:
    setting = setting_of(tunable)
    boot = setting.boot(service, observation)
    left_out = _left_out(tunable, service, boot)
    if left_out:
        state = ReadingState.NOT_APPLICABLE
        return Reading(tunable, instance=service.name, state=state, reason=left_out)
    live = setting.live(service, observation)
    own = setting.own(read(own_text(service.drop_in, observation)))
    name = setting.variable or tunable.target
    source = service.files.get(name) or service.last_to_set(name)
    return Reading(
        tunable,
        instance=service.name,
        live=None if live is None else canonical(tunable, live),
        boot=None if boot is None else canonical(tunable, boot),
        source=source.path if source else None,
        own=None if own is None or own != boot else canonical(tunable, own),
        facts={"version": str(service.major), "workers": service.workers},
        numbers={"workers": service.workers, "processes": service.processes},
        blocked=setting.beaten_by(service),
    )


def _left_out(tunable: Tunable, service: NodeService, boot: str | None) -> str:
    if service.problem:
        return f"it {service.problem}"
    if isinstance(setting_of(tunable), Directive) and boot is None:
        return f"this systemd has no {tunable.target}"
    has_variable = tunable.target in {**service.variables, **service.configured, **service.files}
    if tunable.id.startswith(WORKER_COUNT) and not has_variable:
        return f"its environment has no {tunable.target}"
    return ""


def _write(
    service: NodeService, differences: Sequence[Difference], observation: Observation
) -> Artifact:
    before = read(own_text(service.drop_in, observation))
    after = before
    for one in differences:
        if one.boot is not None:
            after = setting_of(one.reading.tunable).put(after, service, one.boot)
    if after.variables.get(OPTIONS) == base(service):
        after = after.with_variable(OPTIONS, "")
    artifacts = []
    if after != before:
        artifacts.append(write_text(service.drop_in, after.render(), observation))
        artifacts.append(Artifact((DAEMON_RELOAD,), blobs={}))
    check = ActionStep(action="check-node", argument=service.unit)
    restart = tuple(_restart(service, differences, after, observation))
    checks = (check,) if OPTIONS in after.variables else ()
    return Artifact.joined([*artifacts, Artifact((*checks, *restart), blobs={})])


def _waiting(service: NodeService, variable: str) -> str:
    """Return what its files have for the next start already; empty where that is in force."""
    after = next_text(service, variable)
    return after if after != service.variables.get(variable, "") else ""


def _without_ours(service: NodeService, variable: str) -> str:
    return base(service) if variable == OPTIONS else service.configured.get(variable, "")


def _limit(
    service: NodeService, difference: Difference, observation: Observation
) -> ValueStep | None:
    """Have the kernel tell after the restart that the new process has a limit of its unit."""
    reading, setting = difference.reading, setting_of(difference.reading.tunable)
    before = service.limits.get(reading.tunable.target)
    if difference.live is None or before is None or not isinstance(setting, Directive):
        return None
    after = setting.held(difference.live)
    # No limit at all is held as the largest number that this kernel knows.
    if after in (before, _NO_LIMIT):
        return None
    waits = setting.held(reading.boot or "")
    if reading.tunable.target == OPEN_FILES and waits.isdecimal():
        waits = str(min(int(waits), observation.facts.file_limit or int(waits)))
    return ValueStep(
        tunable=reading.id,
        path=value_path(service.unit, reading.tunable.target),
        before=before,
        after=after,
        write="file",
        needs=reading.restart_needs,
        waited=waits if waits != before else "",
    )


def _restart(
    service: NodeService,
    differences: Sequence[Difference],
    after: DropIn,
    observation: Observation,
) -> Iterator[Step]:
    """Restart it where that is allowed, and read from the new process what it has."""
    live = [one.reading for one in differences if one.live is not None]
    yield from filter(None, (_limit(service, one, observation) for one in differences))
    variables = {setting_of(one.tunable).variable: one for one in live}
    for variable, reading in variables.items():
        if variable:
            named = _TOGETHER.get(variable)
            yield ValueStep(
                tunable=f"{named}[{service.name}]" if named else reading.id,
                path=value_path(service.unit, variable),
                before=service.variables.get(variable, ""),
                after=after.variables.get(variable, _without_ours(service, variable)),
                write="file",
                needs=reading.restart_needs,
                waited=_waiting(service, variable),
            )
    if live:
        needs = live[0].restart_needs
        yield ActionStep(action="restart-node", argument=service.unit, needs=needs)
