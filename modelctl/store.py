"""The shelf on the disk: what lies there, and how bytes come to lie there.

A final name only ever holds whole, proven bytes: whatever arrives is written beside it, hashed, synced and then moved.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelctl.assess import Found
from modelctl.errors import IntegrityFailure, ModelctlError, from_os_error
from modelctl.model import File, Value

BENCH = ".fetch-"
DEEPEST_SHELF = 12
DEEPEST = 3
"""Folders below a model's location that are looked into."""


class Store(Value, frozen=True, kw_only=False):
    """The shelf below one folder."""

    root: Path

    def folder(self, location: str) -> Path:
        """Return a model's folder."""
        return self.root / location

    def total_bytes(self) -> int:
        """Return what all files below the root take, as stat's st_size."""
        return sum(found.size for found in _walk(self.root, "", DEEPEST_SHELF))

    def scan(self, location: str) -> tuple[Found, ...]:
        """Return the regular files of a model's folder, from `stat` alone."""
        return tuple(_walk(self.folder(location), "", DEEPEST))

    @contextmanager
    def workbench(self, location: str) -> Iterator[Path]:
        """Give a temporary folder on the shelf's own file system, and take it away afterwards."""
        folder = self.folder(location)
        _make(folder)
        _sweep(folder)
        bench = folder / f"{BENCH}{platform.node()}-{os.getpid()}"
        bench.mkdir()
        try:
            yield bench
        finally:
            shutil.rmtree(bench, ignore_errors=True)

    def place(self, arrived: Path, location: str, path: str, *, size: int | None, sha256: str | None) -> int:
        """Move what arrived on a workbench under its final name once it is proven; return its size in bytes.

        Raises IntegrityFailure where size or hash are not the wanted ones; what lay there before then stays.
        """
        final = self.folder(location) / path
        prove(arrived, path, size, sha256)
        _make(final.parent)
        with arrived.open("rb") as stream:
            os.fsync(stream.fileno())
        arrived.replace(final)
        _sync_folder(final.parent)
        return final.stat().st_size

    def rename(self, location: str, old: str, file: File) -> None:
        """Give a file of the shelf its right name once it is proven; never over another file.

        Raises IntegrityFailure where its hash is known and is another.
        """
        source, final = self.folder(location) / old, self.folder(location) / file.path
        prove(source, old, file.size, file.sha256)
        if final.exists():
            raise ModelctlError(f"{final} is there already", hint=f"compare it with {source} and remove one")
        _make(final.parent)
        source.rename(final)
        _sync_folder(final.parent)


def _sweep(folder: Path) -> None:
    """Remove the workbenches of processes of this machine that have died on them."""
    import psutil

    for bench in folder.glob(f"{BENCH}{platform.node()}-*"):
        pid = bench.name.rpartition("-")[2]
        if pid.isdigit() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(bench, ignore_errors=True)


def digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hex."""
    import hashlib

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def prove(path: Path, name: str, size: int | None, sha256: str | None) -> None:
    """Raise IntegrityFailure unless the file has this size in bytes and this sha256 (None: any)."""
    actual = path.stat().st_size
    if size is not None and actual != size:
        raise IntegrityFailure(f"{name}: {actual} bytes arrived where {size} were expected", hint="fetch again")
    if sha256 is not None and (got := digest(path)) != sha256:
        raise IntegrityFailure(
            f"{name}: its sha256 is {got[:12]}…, and {sha256[:12]}… was expected",
            hint="fetch again; a file that was there before must be moved away first",
        )


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield Found(prefix or ".", 0, error.strerror or "cannot be read")
        return
    for entry in entries:
        yield from _look_at(entry, f"{prefix}{entry.name}", depth)


def _look_at(entry: os.DirEntry[str], name: str, depth: int) -> Iterator[Found]:
    try:
        if entry.is_dir(follow_symlinks=False):
            if depth and not entry.name.startswith("."):
                yield from _walk(Path(entry.path), f"{name}/", depth - 1)
        elif entry.is_file():
            yield Found(name, entry.stat().st_size)
    except OSError as error:
        yield Found(name, 0, error.strerror or "cannot be read")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, f"{folder} cannot be made", hint="check --root, and who may write there") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
