"""Why a command has no application: for people, and as JSON for tools."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..core.errors import ConfigurationError
from .document import VERSION
from .loading import FailedImportError, WrongUseError
from .printing import Page, print_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from types import ModuleType


def run_command(command: ModuleType, options: Namespace) -> int:
    """Run a command, and say why it could not where the application cannot be had.

    Returns:
        The exit status: that of the command; 2 for wrong use, 1 where the user's code failed.
    """
    try:
        status: int = command.run(options)
    except WrongUseError as exc:
        sys.stderr.write(f"ambi {options.command}: {exc}\n")
        return 2
    except FailedImportError as exc:
        return tell_failure(options, exc)
    return status


def tell_failure(options: Namespace, failure: FailedImportError) -> int:
    """Say what the user's code raised, where, and what to do; the exit status.

    Args:
        options: of the command; with `json` it is a document on the standard output.
        failure: what was raised.
    """
    error, frames = failure.error, failure.frames
    kind = "" if isinstance(error, ConfigurationError) else type(error).__name__
    text = str(error).replace(f"{Path.cwd()}/", "")
    if getattr(options, "json", False):
        file, line, _ = frames[-1] if frames else ("", 0, "")
        told = {"kind": kind or "ConfigurationError", "text": text, "file": file, "line": line, "mend": failure.mend}
        json.dump({"version": VERSION, "app": options.app, "error": told}, sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
        return 1
    print_failure(Page(sys.stderr), options.app, kind, text, frames, command=options.command, mend=failure.mend)
    return 1
