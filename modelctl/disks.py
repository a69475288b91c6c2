"""File systems: what they hold, what is free, and what root keeps back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from modelctl.model import Value

EXT_RESERVE = 0.01
"""The share of an ext file system that is enough for root on a disk of data; mkfs takes five times that."""
WORTH_A_WORD = 0.005
"""The share from which a reserve is spoken of: ext4 keeps a few megabytes for itself in any case."""


class Disk(Value, frozen=True):
    """One file system, as statvfs sees it; sizes in bytes."""

    mount: Path
    device: int
    holds: tuple[str, ...]
    total: int
    free: int
    """What a user who is not root may still write."""
    reserved: int
    """What is free but kept for root; 0 where the file system has no such thing."""

    @property
    def keeps_much(self) -> bool:
        """Whether root's reserve is worth speaking of."""
        return self.reserved > self.total * WORTH_A_WORD


def places(root: Path, environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Return the places that modelctl, or the tools beside it, fill: name to path."""
    home = Path(environ.get("HF_HOME") or Path(environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    found = {
        "shelf": root,
        "temporary files": Path(environ.get("TMPDIR") or "/tmp"),  # noqa: S108 - what the system falls back to
        "Hugging Face cache": Path(os.path.expanduser(environ.get("HF_HUB_CACHE") or home / "hub")),  # noqa: PTH111 - it does not raise,
    }
    images = Path("/var/lib/docker")
    return {**found, "container images": images} if images.exists() else found


def survey(named: Mapping[str, Path]) -> tuple[Disk, ...]:
    """Return one Disk for each file system that holds any of the named places, in their order."""
    disks: dict[int, Disk] = {}
    for name, path in named.items():
        here = nearest_existing(path)
        device = here.stat().st_dev
        holds = (*disks[device].holds, name) if device in disks else (name,)
        disks[device] = _measure(here, device, holds)
    return tuple(disks.values())


def nearest_existing(path: Path) -> Path:
    """Return the path itself, or the nearest folder above it that exists."""
    while not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where it may not look
        path = path.parent
    return path


def reclaim_command(disk: Disk) -> tuple[str, int] | None:
    """Return the command that gives back most of root's reserve and the bytes it gives, where there is one.

    Only the ext family keeps blocks back for root, so a reserve on a block device is tune2fs's business.
    """
    gain = disk.reserved - int(disk.total * EXT_RESERVE)
    if gain <= disk.total * WORTH_A_WORD:
        return None
    sysfs = Path(f"/sys/dev/block/{os.major(disk.device)}:{os.minor(disk.device)}")
    if not sysfs.exists():
        return None
    return f"sudo tune2fs -m {EXT_RESERVE * 100:g} /dev/{sysfs.resolve().name}", gain


def _measure(path: Path, device: int, holds: tuple[str, ...]) -> Disk:
    stat = os.statvfs(path)
    return Disk(
        mount=_mount_of(path),
        device=device,
        holds=holds,
        total=stat.f_blocks * stat.f_frsize,
        free=stat.f_bavail * stat.f_frsize,
        reserved=max(0, stat.f_bfree - stat.f_bavail) * stat.f_frsize,
    )


def _mount_of(path: Path) -> Path:
    path = path.resolve()
    while not path.is_mount():
        path = path.parent
    return path
