#!/bin/sh
# Write the generated pages again; the unit tests fail when one of them is stale.
set -eu
python=${PYTHON:-.venv/bin/python}
"$python" -m optimizer.catalog.reference >docs/tunables.md.new
mv docs/tunables.md.new docs/tunables.md
"$python" -m optimizer.views.json
"$python" -m optimizer.cli.reference
