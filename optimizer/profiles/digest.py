"""Whether two profiles ask the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from optimizer.model.profile import Profile


def sealed(profile: Profile) -> Profile:
    """Return the profile with its digest: equal digests ask the same of every host."""
    content = {
        "name": profile.name,
        "version": profile.version,
        "set": {
            name: [[one.constraint, one.value, dict(one.when)] for one in setting.alternatives]
            for name, setting in profile.settings.items()
        },
    }
    if profile.memory:
        content["memory"] = dict(profile.memory)
    text = json.dumps(content, sort_keys=True)
    return replace(profile, digest=hashlib.sha256(text.encode()).hexdigest())
