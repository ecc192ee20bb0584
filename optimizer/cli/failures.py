"""How a failure ends: one error on stderr or one JSON document on stdout, and its code."""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click

from optimizer.cli.errors import InternalError, Interrupted, OutputFailed
from optimizer.cli.files import write_private
from optimizer.model.errors import ExitCode, OptimizerError, UsageError
from optimizer.views import console, errors
from optimizer.views.errors import Failure
from optimizer.views.text import Look


@dataclass(frozen=True)
class Told:
    """How a failure is told."""

    is_json: bool = False
    json_into: Path | None = None
    is_verbose: bool = False


def fail(error: BaseException, told: Told) -> ExitCode:
    """Tell about an error, and return the code to end with."""
    known = _known(error)
    failed = errors.failure(known)
    if isinstance(known, InternalError):
        failed = _recorded(failed, error, told)
    if told.is_json or told.json_into:
        _document(failed, told)
    if not told.is_json:
        _write(failed)
    return known.exit_code


def tell(error: OptimizerError) -> None:
    """Write an error that does not decide how the process ends."""
    _write(errors.failure(error))


def _known(error: BaseException) -> OptimizerError:
    if isinstance(error, OptimizerError):
        return error
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Interrupted(hint="Unconfirmed changes take themselves back: optimizer verify tells.")
    if isinstance(error, click.ClickException):
        return _usage(error)
    return InternalError(what=f"{type(error).__name__}: {error}")


def _usage(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "optimizer"
    possible = getattr(error, "possibilities", None)
    hint = f"Did you mean {possible[0]}?" if possible else f"Look at: {path} --help"
    # The formatted message names the parameter, but has the nearest name in it as well.
    what = error.message if possible else error.format_message()
    return UsageError(what=what.strip(), hint=hint)


def _document(failed: Failure, told: Told) -> None:
    from optimizer.views import json

    text = json.text(json.error_document(failed))
    if told.is_json:
        console.write_text(text, sys.stdout)
    if told.json_into:
        with suppress(OutputFailed):
            write_private(told.json_into, text)


def _write(failed: Failure) -> None:
    look = Look(width=console.width(sys.stderr), symbols=console.symbols(sys.stderr))
    # With stderr closed or full there is nobody left to tell; the exit code still does.
    with suppress(OSError):
        console.write(errors.render(failed, look), sys.stderr, os.environ)


def _recorded(failed: Failure, error: BaseException, told: Told) -> Failure:
    """Keep the traceback of a defect in a file, or show it when verbose."""
    origin = error.__cause__ if isinstance(error, InternalError) and error.__cause__ else error
    text = "".join(traceback.format_exception(origin))
    if told.is_verbose:
        console.write(text.splitlines(), sys.stderr, os.environ)
    path = _keep(f"{sys.version}\n{sys.argv!r}\n{text}")
    where = f"Traceback: {path}" if path else "The traceback could not be saved; -v shows it."
    return replace(failed, hint=f"{failed.hint} {where}")


def _keep(text: str) -> Path | None:
    from optimizer.store.files import state_directory

    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = state_directory() / "crash" / f"{stamp}-{os.getpid()}.txt"
    with suppress(OSError, OutputFailed):
        write_private(path, text)
        return path
    return None
