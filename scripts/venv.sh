#!/bin/sh
# Make .venv with everything that is locked. On a bare Debian, python3 comes without venv and
# pip: as root they are installed, otherwise it is said what to install.
set -eu
python=${PYTHON:-python3}

fail() {
    printf 'venv: %s\n' "$1" >&2
    exit 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or newer is needed, this is $("$python" --version 2>&1)"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "$python has no venv; install it, on Debian and Ubuntu: apt install python$version-venv"
    fi
    printf 'Installing python%s-venv\n' "$version" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "python$version-venv" ca-certificates >/dev/null
fi

printf 'Making .venv (about a minute)\n' >&2
rm -f .venv/.complete
"$python" -m venv --clear .venv
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
: >.venv/.complete
