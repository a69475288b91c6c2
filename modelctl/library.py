"""A library of recordings: which files it holds, and every one of them through every model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelctl import audio
from modelctl.errors import ModelctlError, UsageError
from modelctl.features import Level
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
    """Return (recording, its name below what was asked for) for files and, recursively, folders."""
    found: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_dir():
            below = sorted(one for one in path.rglob("*") if one.suffix.lower() in ENDINGS and one.is_file())
            if not below:
                raise UsageError(
                    f"{path}: no recordings in this folder", hint=f"known endings: {' '.join(sorted(ENDINGS))}"
                )
            found += [(one, one.relative_to(path)) for one in below]
        elif path.exists():
            found.append((path, Path(path.name)))
        else:
            raise UsageError(f"{path}: no such file", hint="check the path")
    return found


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
    """Return where the features of a recording lie; its ending stays, so that a.flac and a.mp3 do not meet."""
    return out / model / name.with_name(f"{name.name}.{ending}")


def _extract(
    extraction: Extraction, session: Session, recording: audio.Recording, path: Path, target: Path, level: Level
) -> None:
    try:
        session.hear(recording).at(level).save(target)
    except ModelctlError as error:
        extraction.failed.append(Failure(path=path, model=session.model.name, error=error))
    except Exception as error:  # noqa: BLE001 - one bad recording must not cost the others
        wrapped = ModelctlError(f"{path}: {session.model.name}: {type(error).__name__}: {error}")
        extraction.failed.append(Failure(path=path, model=session.model.name, error=wrapped))
    else:
        extraction.done += 1
