"""Advice on Node services for `doctor`: what only their owner or their program can set. Pure.

Nothing of it is ever changed: pools, agents and timers are made by the program's own code.
"""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.model.node import OPTIONS, NodeService, end_of_life
from optimizer.model.observation import Facts, Observation
from optimizer.model.request import ProbeRequest
from optimizer.model.result import Diagnosis
from optimizer.resources.node_options import value_of

_GC = "--expose-gc"
_THREADS = "UV_THREADPOOL_SIZE"
ADVICE_ON_NODE = ProbeRequest(node=frozenset({_GC, _THREADS}))

# From this version on the global agents keep connections open by themselves.
_KEEPS_ALIVE = 19


def node_advice(seen: Observation) -> Iterator[Diagnosis]:
    """Say of every Node service what nobody but its owner can change."""
    for service in seen.node:
        if service.is_elsewhere:
            yield _told("managed", service, f"it {service.problem}")
            continue
        if service.problem:
            yield _told("managed", service, f"it {service.problem}")
        yield from _release(service, seen.facts)
        yield from _threads(service)
        yield from _forced_collections(service)
        yield from _workers(service, seen.facts)
        yield _program(service)


def _told(word: str, service: NodeService, answer: str, hint: str = "") -> Diagnosis:
    return Diagnosis(check=f"node.{word}[{service.name}]", status="ok", answer=answer, hint=hint)


def _bad(word: str, service: NodeService, answer: str, hint: str) -> Diagnosis:
    name = f"node.{word}[{service.name}]"
    return Diagnosis(check=name, status="warning", answer=answer, hint=hint)


def _release(service: NodeService, facts: Facts) -> Iterator[Diagnosis]:
    since = end_of_life(service.version, facts.now)
    if since is not None:
        answer = f"Node {service.version} has had no security fixes since {since.isoformat()}"
        hint = "Install a release that gets them: https://nodejs.org/en/about/previous-releases"
        yield _bad("release", service, answer, hint)
    elif service.version:
        yield _told("release", service, f"Node {service.version}")


def _threads(service: NodeService) -> Iterator[Diagnosis]:
    """libuv takes whatever is no number from 1 on for 1, without a word."""
    text = service.variables.get(_THREADS)
    if text is not None and (not text.isdecimal() or int(text) < 1):
        answer = f"{_THREADS} is {text!r}, so one thread serves files, DNS and cryptography"
        yield _bad("threads", service, answer, "Set a number: node.uv-threadpool-size.")


def _forced_collections(service: NodeService) -> Iterator[Diagnosis]:
    is_exposed = value_of(service.variables.get(OPTIONS, ""), _GC) is not None
    if is_exposed or _GC in service.flags:
        answer = f"it runs with {_GC}, so its code can force collections, which stop it"
        hint = "A collection of 480 MiB takes 0.5 to 0.8 s. Take the option out."
        yield _bad("collections", service, answer, hint)


def _workers(service: NodeService, facts: Facts) -> Iterator[Diagnosis]:
    cpus = min(facts.cpus, service.cpu_quota or facts.cpus)
    if service.workers > cpus:
        answer = f"{service.workers} workers share {cpus:g} CPUs"
        hint = "More workers than CPUs only wait for each other, and each has a heap of its own."
        yield _bad("workers", service, answer, hint)


def _program(service: NodeService) -> Diagnosis:
    """What the seeds ask for and only the program can do."""
    environment = service.variables.get("NODE_ENV", "")
    answer = "only the program can set its pools, agents, timeouts and batches"
    hints = [
        "Database pools count once for each process: together they have to stay below "
        "max_connections.",
        "An agent that the program makes has keepAlive, maxSockets, maxFreeSockets and timeout; "
        "freeSocketTimeout is one of agentkeepalive, and fetch has pools of its own.",
        "keepAliveTimeout of its server has to be longer than that of a proxy in front of it.",
    ]
    if 0 < service.major < _KEEPS_ALIVE:
        hints.insert(1, f"Without keepAlive Node {service.major} opens a connection a request.")
    if environment != "production":
        hints.append(f"NODE_ENV is {environment or 'not set'}; frameworks cache with production.")
    return _told("program", service, answer, " ".join(hints))
