"""Essentia's MusicExtractor: descriptors of timbre, rhythm and harmony of a whole recording, each with its name.

Every descriptor that has a course over time comes as mean and deviation. Left out are words (keys, chords), metadata,
and `rhythm.beats_position`, which has no fixed length: 1050 values remain.
"""

from __future__ import annotations

import os
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np

from modelctl.worker.protocol import BadInput, BadWeights, Embed, Output

RATE = 44100
DIM = 1050
STATISTICS = ["mean", "stdev"]

_UNASKED = ("var", "median", "min", "max", "dmean", "dmean2", "dvar", "dvar2")
"""Statistics that come all the same where a recording has no beat at all, for the loudness of its beats."""
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_FLOAT = 3
_LONGEST = (1 << 32) - _HEADER.size


def load(folder: str, parameters: Dict[str, Any]) -> Embed:
    """Return an embed for stereo samples at 44.1 kHz: one row of 1050 values a recording.

    BadInput for what Essentia takes for silence, and beyond 3.3 hours; BadWeights where the installed Essentia gives
    other descriptors.
    """
    import essentia

    del folder, parameters
    essentia.log.infoActive = False  # before the next import, which speaks
    essentia.log.warningActive = False
    from essentia import standard

    names = ("lowlevelStats", "rhythmStats", "tonalStats", "mfccStats", "gfccStats")
    extractor = standard.MusicExtractor(**dict.fromkeys(names, STATISTICS))

    def embed(samples: np.ndarray, sample_rate: int) -> Output:
        with _as_file(samples) as path:
            try:
                pool, _ = extractor(path)
            except RuntimeError as error:
                raise BadInput(_in_plain_words(str(error))) from error
        named = _descriptors(pool)
        if len(named) != DIM:
            raise BadWeights(f"this Essentia gives {len(named)} values and not {DIM}: install the named version")
        return Output(
            values=np.array([[value for _, value in named]], np.float32),
            times=np.array([len(samples) / sample_rate / 2]),
            names=tuple(name for name, _ in named),
        )

    return embed


@contextmanager
def _as_file(samples: np.ndarray) -> Iterator[str]:
    """Give the samples the path that Essentia wants, ending in .wav; on Linux they stay in memory behind it."""
    with tempfile.TemporaryDirectory(prefix="modelctl-") as folder:
        path = Path(folder) / "recording.wav"
        if not hasattr(os, "memfd_create"):
            with path.open("wb") as file:
                _write(file, samples)
            yield str(path)
            return
        with os.fdopen(os.memfd_create("recording"), "wb") as file:
            _write(file, samples)
            path.symlink_to(f"/proc/{os.getpid()}/fd/{file.fileno()}")
            yield str(path)


def _write(file: Any, samples: np.ndarray) -> None:
    samples = np.ascontiguousarray(samples, "<f4")
    if samples.nbytes > _LONGEST:
        raise BadInput(f"longer than the {_LONGEST / RATE / 8 / 3600:.1f} hours that a WAV file holds")
    width = 4 * samples.shape[1]
    sizes = (36 + samples.nbytes, b"WAVE", b"fmt ", 16, _FLOAT, samples.shape[1], RATE, RATE * width, width, 32)
    file.write(_HEADER.pack(b"RIFF", *sizes, b"data", samples.nbytes))
    file.write(samples.data)
    file.flush()


def _descriptors(pool: Any) -> List[Tuple[str, float]]:
    named = []  # type: List[Tuple[str, float]]
    for name in sorted(pool.descriptorNames()):  # by itself, the order is another where there is no beat
        if name.startswith("metadata.") or name == "rhythm.beats_position" or name.rsplit(".", 1)[1] in _UNASKED:
            continue
        values = np.asarray(pool[name])
        if values.dtype.kind == "U":
            continue
        if values.ndim == 0:
            named.append((name, float(values)))
            continue
        named += [(f"{name}.{number:02d}", float(value)) for number, value in enumerate(values.flat, start=1)]
    return named


def _in_plain_words(said: str) -> str:
    if "silent" in said:
        return "it is silent, or so quiet that Essentia takes it for silence"
    return "Essentia cannot analyse it: {}".format(said.split("compute: ", 1)[-1])
