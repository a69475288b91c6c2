"""Every way to fail that a user may meet, in one tree.

ModelctlError
├── NotReady            exit 1    problem       an asked-for model cannot run yet
├── UsageError          exit 2    usage         wrong words
│   ├── ManifestError                           a manifest that does not parse; names file, line and key
│   └── AudioError                              a recording that cannot be used; names the recording
├── NoSpace             exit 3    no-space      would not fit; nothing was moved
├── IntegrityFailure    exit 4    integrity     bytes that do not match their hash
├── ForeignFile         exit 5    foreign       some other model's file, or no checkpoint at all
├── SourceFailure       exit 6    source        unreachable, gone, refuses
├── EnvironmentFailure  exit 8    environment   engine, image or library missing, or it died
├── PartialFailure      exit 9    partial       some items done, some failed
└── Interrupted         exit 130  interrupted   Ctrl-C, or a polite end
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class ModelctlError(Exception):
    """Base of every error a user may meet; `hint` is the next thing to type."""

    kind: ClassVar[str] = "problem"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", **details: Any) -> None:
        """Keep the message, the hint, and what `--json` adds beside them (integers, strings, lists)."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class NotReady(ModelctlError):
    """An asked-for model is not on the shelf, or not whole."""


class UsageError(ModelctlError):
    """Wrong words: an unknown model, task, layer or parameter, a path that is not there."""

    kind = "usage"
    exit_code = 2


class ManifestError(UsageError):
    """A manifest that does not parse, or says what cannot be; the message names file, line and key."""


class AudioError(UsageError):
    """A recording that cannot be used: not audio, empty, silent, too short, or with broken samples."""


class NoSpace(ModelctlError):
    """A plan that would not fit on a file system; raised before the first byte is moved."""

    kind = "no-space"
    exit_code = 3


class IntegrityFailure(ModelctlError):
    """Bytes that arrived, or lie on the shelf, and do not match their size or hash."""

    kind = "integrity"
    exit_code = 4


class ForeignFile(ModelctlError):
    """A file that is some other model, or no checkpoint at all."""

    kind = "foreign"
    exit_code = 5


class SourceFailure(ModelctlError):
    """A source that is unreachable, gone, or refuses."""

    kind = "source"
    exit_code = 6


class EnvironmentFailure(ModelctlError):
    """A library, engine or image that is missing, or that died."""

    kind = "environment"
    exit_code = 8


class PartialFailure(ModelctlError):
    """Some items were done and some failed; `result` is what the verb gives all the same, with each failure."""

    kind = "partial"
    exit_code = 9

    def __init__(self, message: str, *, hint: str = "", result: Mapping[str, Any]) -> None:
        """Keep the result beside the message."""
        super().__init__(message, hint=hint)
        self.result = result


class Interrupted(ModelctlError):
    """Ctrl-C, or a polite end; what was done so far stays."""

    kind = "interrupted"
    exit_code = 130


def from_os_error(error: OSError, what: str, *, hint: str) -> ModelctlError:
    """Return the error that an operating system's refusal stands for; a full disk is NoSpace."""
    message = f"{what}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        unknown: dict[str, Any] = {"needed": None, "free": 0, "short": None, "suggestions": []}
        return NoSpace(message, hint="modelctl status shows the disks and what each model takes", **unknown)
    return ModelctlError(message, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'X'?` for the nearest known word, or nothing where none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
