"""Bring the shells that the programs for hosts are tried with, where that is possible.

As root and with apt, that is; elsewhere the tests of a missing shell are skipped, and say so.
"""

import os
import sys

from testbed.errors import TestbedError
from testbed.packages import SHELLS, ensure

if os.geteuid() == 0:
    try:
        ensure(SHELLS)
    except TestbedError as error:
        print(f"Some shells are not tried: {error}", file=sys.stderr)
