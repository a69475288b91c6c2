"""A fetch plan carried out: bytes from a source, through a workbench, to their final names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from modelctl import archives, sources
from modelctl.model import Member
from modelctl.plan import Download, FetchPlan
from modelctl.store import Store, digest, prove

Proven = list[tuple[str, str]]
"""(path below the root, sha256) of each file that arrived."""


def carry_out(plan: FetchPlan, store: Store) -> tuple[int, Proven]:
    """Rename, then download, prove and place; return the bytes moved and what was proven."""
    for rename in plan.renames:
        store.rename(rename.model.location or "", rename.old, rename.file)
    proven: Proven = []
    for download in plan.downloads:
        proven += _receive(download, store)
    return sum(download.size for download in plan.downloads), proven


def _receive(download: Download, store: Store) -> Iterable[tuple[str, str]]:
    location = download.model.location or ""
    with store.workbench(location) as bench:
        arrived = sources.obtain(download.urls, bench)
        known_size = download.archive.size if download.archive else download.files[0].size
        prove(arrived, arrived.name, known_size, download.sha256)
        for file in download.files:
            taken = _unpack(arrived, bench, file.taken_from) if file.taken_from else arrived
            sha256 = digest(taken)
            store.place(taken, location, file.path, size=file.size, sha256=file.sha256)
            yield f"{location}/{file.path}".replace("//", "/"), sha256


def _unpack(archive: Path, bench: Path, member: Member) -> Path:
    taken = bench / "unpacked"
    taken.write_bytes(archives.take(archive, member))
    return taken
