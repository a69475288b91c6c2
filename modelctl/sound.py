"""Sound on its way in: what a decoder has to say before, during and after its samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BLOCK_SAMPLES = 1 << 18
"""Samples of all channels that are in hand at once: 1 MB, the fastest of those measured, however many channels."""


@dataclass(slots=True, kw_only=True)
class Sound:
    """A recording that a decoder has open."""

    sample_rate: int
    channels: int
    frames: int | None
    """As the header declares; None where nothing declares it."""
    blocks: Iterator[np.ndarray]
    """float32, (n, channels), at the recording's own rate; the next block may overwrite the one before."""
    warnings: list[str] = field(default_factory=list)
    """Complete once the blocks are through."""


class CannotDecode(Exception):
    """What a decoder says of a file that it gets no sound from."""


def frames_a_block(channels: int) -> int:
    """Return how many frames of that many channels make a block."""
    return max(1, BLOCK_SAMPLES // channels)
