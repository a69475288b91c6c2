"""Ctrl-C and the other polite ends: raised where they come, and heeded later where that was swallowed."""

from __future__ import annotations

import signal

_signals: list[int] = []
"""The interruptions that came."""


def listen() -> None:
    """Let every polite end run the same clean-up as Ctrl-C."""
    for polite in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(polite, _interrupt)


def heed() -> None:
    """Stop where an interruption was swallowed, as a decoder's callback does."""
    if _signals:
        raise KeyboardInterrupt


def _interrupt(number: int, _frame: object) -> None:
    _signals.append(number)
    raise KeyboardInterrupt
