"""Which names and paths a manifest may use: rules as sentences, no disk."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_DRIVE = re.compile(r"[A-Za-z]:")
LONGEST_PART = 240
"""Bytes; file systems allow 255, and a partial download adds a suffix."""


def reason_against_name(name: str) -> str | None:
    """Say why `name` cannot be a model's name, or return None."""
    if _NAME.fullmatch(name):
        return None
    return f"{name!r} is no model name: lower-case letters, digits and inner hyphens, at most 64"


def reason_against_path(path: str) -> str | None:
    """Say why `path` cannot be a place below the shelf, or return None."""
    if not path:
        return "an empty path"
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        return f"{path!r} leaves the model's folder: the path must be relative"
    if "\\" in path:
        return f"{path!r} has a backslash: write forward slashes"
    if any(map(_is_obeyed, path)):
        return f"{path!r} has an invisible or control character"
    return next(filter(None, (_reason_against_part(path, part) for part in path.split("/"))), None)


def printable(name: str) -> str:
    """Return a file's name with whatever a terminal would obey, or could not show, written out."""
    if name.isprintable():
        return name
    return "".join(one.encode("unicode_escape").decode() if _is_obeyed(one) else one for one in name)


def _is_obeyed(one: str) -> bool:
    """Tell controls, invisible marks, line ends and halves of characters from what is merely rare."""
    return unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Cs")


def _reason_against_part(path: str, part: str) -> str | None:
    if part == "..":
        return f"{path!r} leaves the model's folder: '..' is refused"
    if part in ("", "."):
        return f"{path!r} is not in its plain form: {str(PurePosixPath(path))!r}"
    if part != part.strip() or part.endswith("."):
        return f"{path!r} has a part that starts or ends with a space, or ends with a dot"
    if len(part.encode()) > LONGEST_PART:
        return f"a part of {path[:40]!r}… is longer than {LONGEST_PART} bytes"
    return None
