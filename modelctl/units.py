"""Sizes as people write them, `57GB` or `200MiB`, to and from bytes."""

from __future__ import annotations

import re

from modelctl.errors import UsageError

_POWERS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}
LONGEST = 18
"""Digits; more are a slip."""
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]i?)?b?", re.IGNORECASE)


def parse_size(text: str | int) -> int:
    """Return the bytes that `57GB`, `200MiB`, `1.5 TB` or a plain number of bytes stand for; UsageError otherwise."""
    match = _SIZE.fullmatch(str(text).strip())
    if match is None or len(match[1]) > LONGEST:
        raise UsageError(f"{text!r} is no size", hint="write it like 57GB, 200MiB or a number of bytes")
    return int(float(match[1]) * _POWERS[(match[2] or "").lower()])


def format_size(size: int) -> str:
    """Return `size` in decimal units with three digits or fewer: `327 MB`, `1.26 GB`."""
    if size < 1000:  # noqa: PLR2004 - the first decimal unit
        return f"{size} B"
    value, unit = float(size), "B"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007 - the unit reached is the answer
        value /= 1000
        if value < 999.5:  # noqa: PLR2004 - what would be printed as 1000
            break
    digits = 0 if value >= 99.5 else 1 if value >= 9.95 else 2  # noqa: PLR2004 - three digits in all
    return f"{value:.{digits}f} {unit}"
