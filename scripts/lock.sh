#!/bin/sh
# Choose the newest dependencies that fit and lock them with hashes, for every platform.
# No index address is written: who installs takes the packages from where they usually do.
set -eu
[ -x .venv/bin/pip ] || { echo 'lock: run make check first, it makes .venv' >&2; exit 1; }
.venv/bin/pip install --quiet --disable-pip-version-check uv
for name in run dev; do
    group=
    [ "$name" = run ] || group='--group dev'
    # shellcheck disable=SC2086
    .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header $group pyproject.toml -o "requirements/$name.txt"
done
