"""What becomes of the steps of a way back: some are taken, some are held back."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.model.transaction import Step, ValueStep
from optimizer.model.tunable import Effect


@dataclass(frozen=True)
class Held:
    """A step that is not taken.

    at_stake: which data it could lose, that nobody allowed to be lost. advice: what stands
    against it otherwise, which no option lets through. effect: what has to go with it.
    """

    step: ValueStep
    at_stake: str = ""
    advice: str = ""
    effect: Effect = Effect.LIVE


@dataclass(frozen=True)
class Back:
    """The steps to take, and those that are held back."""

    steps: tuple[Step, ...]
    held: tuple[Held, ...]
