"""A saved plan: read back, and refused when it is not what was saved."""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import ValidationError

from optimizer.model.errors import PlanFileError
from optimizer.model.plan import Plan
from optimizer.store.files import refuse_untrusted


def load_plan(path: Path) -> Plan:
    """Read a saved plan. PlanFileError: it cannot be read, or was edited."""
    try:
        about = path.stat()
        # A pipe that the command line itself made is nobody else's.
        if stat.S_ISREG(about.st_mode):
            refuse_untrusted(path, about, group=False)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanFileError(path=path, what=f"cannot be read: {error}") from error
    try:
        plan = Plan.model_validate_json(text)
    except ValidationError as error:
        found = error.errors()
        if any(one["loc"] == ("schema",) for one in found):
            raise PlanFileError(
                path=path, what="is of another version: this one reads optimizer/plan/1"
            ) from error
        first = found[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PlanFileError(path=path, what=f"is not a plan: {place}: {first['msg']}") from error
    if plan.id != plan.content_id():
        raise PlanFileError(
            path=path,
            what="was changed after it was made, its content does not fit its id",
            hint="Make a new plan; to change what it does, use --set, --only or --skip.",
        )
    return plan
