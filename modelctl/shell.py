"""What a shell meets: a command line carried out, and whatever comes of it turned into an exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import typer

from modelctl import cli, interrupts
from modelctl.errors import Interrupted, ModelctlError, UsageError, from_os_error

INTERRUPTED = Interrupted.exit_code
HUNG_UP = 141
"""What a shell makes of SIGPIPE."""


def main() -> None:
    """Run the command line; the one place that turns errors into exit codes."""
    interrupts.listen()
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - closed by the caller, for good
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - likewise
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    code = run_words(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        code = _hang_up() if code == 0 else code
    raise SystemExit(code)


def run_words(words: list[str]) -> int:
    """Carry out one command line and return its exit code."""
    as_json = "--json" in words
    try:
        code = _app_for(words)(words or ["--help"], prog_name="modelctl", standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        return _hang_up()
    except Exception as error:  # noqa: BLE001 - the one place where every error becomes an exit code
        return _fail(_translated(error), as_json=as_json)
    # The parser of words catches Ctrl-C itself and gives no more than the code.
    return (
        _fail(Interrupted("interrupted", hint="what was done so far is kept"), as_json=as_json)
        if code == INTERRUPTED
        else code
    )


def _app_for(words: list[str]) -> typer.Typer:
    """Return an app with the asked-for command alone: making ready all of them takes longer than reading manifests."""
    asked = [
        one for one in cli.app.registered_commands if one.callback and words[:1] == [one.name or one.callback.__name__]
    ]
    if not asked:
        return cli.app
    alone = cli.empty_app()
    alone.registered_callback, alone.registered_commands = cli.app.registered_callback, asked
    return alone


def _translated(error: Exception) -> ModelctlError:
    """Return our error for what the system refused, the parser of words objected to, or nobody foresaw."""
    if isinstance(error, ModelctlError):
        return error
    if isinstance(error, OSError):
        return from_os_error(error, str(error.filename or "refused"), hint="check the path and its permissions")
    if hasattr(error, "format_message"):
        return _usage(error)
    if os.environ.get("MODELCTL_TRACEBACK"):
        raise error
    message = f"unforeseen {type(error).__name__}: {error}"
    return ModelctlError(message, hint="set MODELCTL_TRACEBACK=1 to see where, and report it")


def _hang_up() -> int:
    """Stop writing to a reader that is gone, so that nothing complains when Python closes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return HUNG_UP


def _usage(error: Any) -> UsageError:
    """Turn what the parser of words objects to into one of ours."""
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "modelctl"
    message = error.format_message()
    return UsageError(message[:1].lower() + message[1:].rstrip("."), hint=f"{where} --help")


def _fail(error: ModelctlError, *, as_json: bool) -> int:
    try:
        if as_json:
            from modelctl import as_json as shapes

            typer.echo(shapes.dumps(shapes.of_error(error)))
        else:
            from modelctl import render

            render.print_error(error, render.console(stderr=True))
    except OSError:  # Nobody can be told; the exit code still says it.
        _hang_up()
    return error.exit_code
