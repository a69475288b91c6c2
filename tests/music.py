"""Real music for tests: Debian's music packages, fetched with apt's own tools and kept from one session to the next."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

PACKAGES = ("asc-music", "fb-music-high", "singularity-music")
"""63 MB: three MP3 tracks at 22.05 kHz, a tracker module, and sixteen Ogg tracks at 48 kHz."""


def tracks() -> list[Path]:
    """Return the MP3 and Ogg tracks; skip the test where they cannot be had."""
    return sorted(path for path in _unpacked().rglob("*") if path.suffix in {".mp3", ".ogg"})


def tracker_module() -> Path:
    """Return a piece of music that is no recording of sound; skip the test where it cannot be had."""
    return next(_unpacked().rglob("*.xm"))


@cache
def _unpacked() -> Path:
    folder = Path(os.environ.get("MODELCTL_TEST_MUSIC") or Path.home() / ".cache" / "modelctl-tests")
    unpacked = folder / "music"
    if not unpacked.is_dir():
        _fetch(folder)
        part = folder / f"music.{os.getpid()}.part"
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, part], check=True)
        part.rename(unpacked)
    return unpacked


def _fetch(folder: Path) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here: Debian's music packages cannot be had")
    folder.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(
        ["apt-get", "download", *PACKAGES], cwd=folder, capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        pytest.skip(f"apt-get download gave no music: {fetched.stderr.strip()}")
