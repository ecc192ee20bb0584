"""How a program gets root's rights on the host, in one remote command.

The password goes in as the first line of standard input, never as an argument or in the
environment, where `ps` would show it to every account of the host. pyinfra's own askpass
puts it into the command line, and needs a second command to set that up.
"""

from __future__ import annotations

# Line 1 of standard input: the sudo password, empty when there is none. The rest: the program.
_COMMON = """
IFS= read -r secret
run='eval "$(cat)"'
"""

_DIRECT = 'exec sh -c "$run"\n'

# sudo asks for a password only where it has to, so the line may still be there when the
# program begins; it is skipped up to a marker that no password can be mistaken for.
_ELEVATED = """
if [ "$(id -u)" = 0 ]; then exec sh -c "$run"; fi
if sudo -n true 2>/dev/null; then exec sudo -n sh -c "$run"; fi
if [ -z "$secret" ]; then exec sh -c "$run"; fi
if ! printf '%s\\n' "$secret" | sudo -k -S -p '' true 2>/dev/null; then
    printf 'denied\\tsudo\\n'
    exit 0
fi
skip='while IFS= read -r line && [ "$line" != "@program begins@" ]; do :; done'
{ printf '%s\\n@program begins@\\n' "$secret"; cat; } |
    sudo -S -p '' sh -c "$skip; $run" 2>/dev/null
"""

ELEVATED = _COMMON + _ELEVATED
DIRECT = _COMMON + _DIRECT


def standard_input(program: str, password: str) -> str:
    """Return what has to be sent to ELEVATED or DIRECT."""
    return f"{password}\n{program}"
