"""What a model yields, and how it lies on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modelctl.errors import IntegrityFailure, UsageError, from_os_error

if TYPE_CHECKING:
    import numpy as np

Level = Literal["frames", "clip"]
NPZ_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """What one model makes of one recording."""

    values: np.ndarray
    """float32, (frames, dim)."""
    times: np.ndarray
    """float64, (frames,): seconds, the centre of what each frame saw."""
    clip: np.ndarray
    """float32, (dim,): the pooled vector."""
    names: tuple[str, ...] = ()
    """What each of the dim columns is, where columns have names."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What ran: model, weights, layer, parameters, audio, versions."""

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return int(self.values.shape[1])

    def at(self, level: Level) -> Features:
        """Return the features at a level: `clip` keeps one row, the pooled vector, at the frames' middle time."""
        if level not in ("frames", "clip"):
            raise UsageError(f"no level {level!r}", hint="known: frames, clip")
        if level == "frames":
            return self
        return replace(self, values=self.clip[None, :], times=self.times.mean(keepdims=True))

    def save(self, path: str | Path) -> Path:
        """Write an npz with `values`, `times`, `clip`, `provenance` (JSON) and, where columns have names, `names`."""
        import numpy as np

        path = Path(path)
        _refuse_to_replace(path)
        arrays = {"values": self.values, "times": self.times, "clip": self.clip}
        arrays["provenance"] = np.array(json.dumps(self.provenance, sort_keys=True))
        if self.names:
            arrays["names"] = np.array(self.names)
        write_beside(path, lambda stream: np.savez(stream, allow_pickle=False, **arrays))
        return path


def load_features(path: str | Path) -> Features:
    """Read what `Features.save` wrote; IntegrityFailure for any other file."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as held:
            return Features(
                values=held["values"],
                times=held["times"],
                clip=held["clip"],
                names=tuple(str(name) for name in held["names"]) if "names" in held else (),
                provenance=json.loads(str(held["provenance"])),
            )
    except (KeyError, ValueError, EOFError) as error:
        raise IntegrityFailure(f"{path} holds no features: {error}", hint="extract again") from error


def _refuse_to_replace(path: Path) -> None:
    """Let features take the place of features alone: not of a recording, a link, a device or anybody's thesis."""
    if not path.name:
        raise UsageError(f"{str(path)!r} is no name for a file", hint="write for example --out features.npz")
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{path} is there and is no regular file", hint="choose another name")
    with path.open("rb") as stream:
        if stream.read(len(NPZ_MAGIC)) not in (NPZ_MAGIC, b""):
            raise UsageError(f"{path} is there and holds no features", hint="choose another name")


def write_beside(path: Path, write: Any) -> None:
    """Let `write` fill a file beside `path`, then move it there: a reader never meets half a file."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            write(stream)
        part.replace(path)
    except OSError as error:
        raise from_os_error(error, f"{path} cannot be written", hint="check --out, and who may write there") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
