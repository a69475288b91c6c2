"""A library of recordings: which files it holds, and every one of them through every model."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelctl import audio
from modelctl.errors import ModelctlError, NoSpace, UsageError
from modelctl.features import Level
from modelctl.paths import printable
from modelctl.pipeline import Session

ENDINGS = frozenset((".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".wma"))

Report = Callable[[Path], None]
"""Called after each recording, for progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One recording that one model could not be given, or could not use."""

    path: Path
    model: str
    error: ModelctlError


@dataclass(slots=True, kw_only=True)
class Extraction:
    """What became of a library."""

    out: Path
    done: int = 0
    failed: list[Failure] = field(default_factory=list)
    audio_seconds: float = 0.0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


def recordings_in(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Return (recording, its name below what was asked for) for files and, recursively, folders.

    A recording that is named twice is taken once. Raises UsageError for what is not there or cannot be read, and where
    the features of two recordings would get one name.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    for path, name in (pair for asked in paths for pair in _recordings_at(asked)):
        found.setdefault(path.resolve(), (path, name))
    owners: dict[Path, Path] = {}
    for path, name in found.values():
        if name in owners:
            shown = f"{printable(str(owners[name]))} and {printable(str(path))}"
            raise UsageError(
                f"{shown} would both be saved as {name}", hint="give the folder above them, or one at a time"
            )
        owners[name] = path
    return list(found.values())


def _recordings_at(path: Path) -> Iterator[tuple[Path, Path]]:
    if path.is_dir():
        below = sorted(_walk(path))
        if not below:
            endings = " ".join(sorted(ENDINGS))
            raise UsageError(f"{printable(str(path))}: no recordings in this folder", hint=f"known endings: {endings}")
        yield from ((one, one.relative_to(path)) for one in below)
    elif os.path.lexists(path):
        yield path, Path(path.name)
    else:
        raise UsageError(f"{printable(str(path))}: no such file", hint="check the path")


def _walk(folder: Path) -> Iterator[Path]:
    for where, _folders, names in os.walk(folder, onerror=_refuse):
        for name in names:
            path = Path(where, name)
            if path.suffix.lower() in ENDINGS and path.is_file():
                yield path


def _refuse(error: OSError) -> None:
    """Name a folder that cannot be looked into: its recordings must not be left out in silence."""
    where = printable(str(error.filename))
    raise UsageError(f"{where}: {error.strerror}", hint="let yourself read it, or leave it out") from error


def extract_recordings(
    sessions: Sequence[Session],
    recordings: Sequence[tuple[Path, Path]],
    out: Path,
    *,
    level: Level = "frames",
    ending: str = "npz",
    report: Report = lambda _path: None,
) -> Extraction:
    """Put each recording through each open model, and its features at `OUT/MODEL/NAME.npz`.

    Each recording is decoded once. One that fails is listed, and the rest goes on; `report` is called after each.
    Raises NoSpace as soon as the disk is full.
    """
    extraction = Extraction(out=out)
    begun = time.monotonic()
    for path, name in recordings:
        try:
            recording = audio.decode(path, {session.form for session in sessions})
        except ModelctlError as error:
            extraction.failed += [Failure(path=path, model=session.model.name, error=error) for session in sessions]
        else:
            extraction.audio_seconds += recording.seconds
            extraction.warnings += [f"{path}: {warning}" for warning in recording.warnings]
            for session in sessions:
                _extract(
                    extraction, session, recording, path, features_path(out, session.model.name, name, ending), level
                )
        report(path)
    extraction.seconds = time.monotonic() - begun
    return extraction


def features_path(out: Path, model: str, name: Path, ending: str) -> Path:
    """Return where the features of a recording lie; its ending stays, so that a.flac and a.mp3 do not meet.

    Where `out` itself has the ending of features, it is the file.
    """
    if out.suffix == f".{ending}":
        return out
    return out / model / name.with_name(f"{name.name}.{ending}")


def _extract(
    extraction: Extraction, session: Session, recording: audio.Recording, path: Path, target: Path, level: Level
) -> None:
    try:
        session.hear(recording).at(level).save(target)
    except NoSpace:
        raise
    except ModelctlError as error:
        extraction.failed.append(Failure(path=path, model=session.model.name, error=error))
    except Exception as error:  # noqa: BLE001 - one bad recording must not cost the others
        wrapped = ModelctlError(f"{path}: {session.model.name}: {type(error).__name__}: {error}")
        extraction.failed.append(Failure(path=path, model=session.model.name, error=wrapped))
    else:
        extraction.done += 1
