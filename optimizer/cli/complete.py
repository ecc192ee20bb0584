"""What the shell offers for a half-typed word. A failure offers nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

_CONNECTORS = ("@local", "@vagrant", "@docker/", "@ssh/")


def _starting(incomplete: str, words: Iterable[str]) -> list[CompletionItem[str]]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _quietly(incomplete: str, words: Callable[[], Iterable[str]]) -> list[CompletionItem[str]]:
    # A traceback in the middle of a half-typed command line helps nobody.
    with suppress(Exception):
        return _starting(incomplete, words())
    return []


def profiles(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Offer the names of the profiles."""

    def words() -> Iterable[str]:
        from optimizer.profiles import names

        return [name for name, _ in names()]

    return _quietly(incomplete, words)


def tunables(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Offer the ids of the catalogue."""

    def words() -> Iterable[str]:
        from optimizer.catalog import TUNABLES

        return sorted(TUNABLES)

    return _quietly(incomplete, words)


def inventories(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Offer connectors and files."""
    offered = _starting(incomplete, _CONNECTORS)
    if not incomplete.startswith("@"):
        offered.append(CompletionItem(incomplete, type="file"))
    return offered


def hosts(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Offer the hosts that the inventory names in plain words; no inventory file is run."""
    # While an option still waits for its value, click leaves the arguments unparsed.
    words = [str(context.params.get("inventory") or ""), *context.args]
    names = [name for word in words if "," in word for name in word.split(",")]
    return _starting(incomplete, names)


def effects(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Offer what can be allowed, after a comma the rest of it."""
    done, comma, _ = incomplete.rpartition(",")
    given = done.split(",")
    words = [word for word in ("restart", "reboot", "data") if word not in given]
    return _starting(incomplete, [f"{done}{comma}{word}" for word in words])
