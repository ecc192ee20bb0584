"""What a way back means for GRUB's menu, which others make anew with every kernel. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from optimizer.model.boot import GRUB_CONFIG, GRUB_FILE
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import FileRef, FileStep
from optimizer.planning.restoring import Undo
from optimizer.resources import grub
from optimizer.resources.base import own_text

REQUEST = ProbeRequest(grub=True)


@dataclass(frozen=True)
class MenuBack:
    """A way back, and the bytes of a menu that no snapshot has. note: what it does not do."""

    way: Undo
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    note: str = ""


def with_menu(way: Undo, seen: Observation, content_of: Callable[[str], bytes | None]) -> MenuBack:
    """Take our words out of a menu that was made anew since; its old bytes would lose kernels.

    content_of: returns the bytes with a hash, None where nobody has them.
    """
    if all(other.name != GRUB_CONFIG for other in way.foreign):
        return MenuBack(way)
    steps = tuple(
        step for step in way.steps if not (isinstance(step, FileStep) and step.path == GRUB_CONFIG)
    )
    foreign = tuple(other for other in way.foreign if other.name != GRUB_CONFIG)
    rest = replace(way, steps=steps, foreign=foreign)
    ours = next(
        (at for at, step in enumerate(steps) if getattr(step, "path", "") == GRUB_FILE), None
    )
    if ours is None:
        return MenuBack(rest)
    text = _text_without(steps[ours], seen, content_of)
    if text is None:
        note = f"{GRUB_CONFIG} keeps what we added until it is made anew: update-grub"
        return MenuBack(rest, note=note)
    content = text.encode(errors="surrogateescape")
    state = seen.files[GRUB_CONFIG]
    before = FileRef.of(state)
    after = before.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    menu = FileStep(path=GRUB_CONFIG, before=before, after=after)
    # It is made of our file, which stands before it.
    steps = (*steps[: ours + 1], menu, *steps[ours + 1 :])
    return MenuBack(replace(rest, steps=steps), {after.sha256: content})


def _text_without(
    step: object, seen: Observation, content_of: Callable[[str], bytes | None]
) -> str | None:
    """Return the menu that comes of our file as a step leaves it; None where that is not known."""
    if seen.grub is None or not isinstance(step, FileStep) or grub.problem(seen):
        return None
    content = b"" if step.after is None else content_of(step.after.sha256)
    if content is None:
        return None
    before = grub.own_values(own_text(GRUB_FILE, seen))
    after = grub.own_values(content.decode(errors="replace"))
    return grub.remade(grub.config_text(seen), seen.grub, before, after)
