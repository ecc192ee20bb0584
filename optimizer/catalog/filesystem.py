"""Open files: the ceilings of the whole host. Limits of a service are unit directives."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, Area, sysctl
from optimizer.model.values import INT_MAX, LONG_MAX, Integer

_FS = f"{KERNEL_DOCS}/admin-guide/sysctl/fs.html"

AREA = Area(
    "Open files",
    (
        sysctl(
            "fs.nr_open",
            value=Integer(1024, INT_MAX),
            why="Is the highest limit on open files that any process can be given.",
            docs=f"{_FS}#nr-open",
            weight=1,
        ),
        sysctl(
            "fs.file-max",
            value=Integer(1024, LONG_MAX),
            why="Caps the open files of the whole host; systemd has raised it out of reach, so "
            "what a service runs into is its own LimitNOFILE.",
            docs=f"{_FS}#file-max-file-nr",
            weight=1,
        ),
        sysctl(
            "fs.aio-max-nr",
            value=Integer(0, LONG_MAX),
            why="Caps the requests of the older asynchronous I/O interface.",
            docs=f"{_FS}#aio-nr-aio-max-nr",
            weight=1,
        ),
    ),
)
