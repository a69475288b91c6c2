"""A recording in, float32 samples at the wanted rates out: one decoding pass, in blocks.

Only what is wanted stays in memory: a block is read, mixed, resampled for each wanted rate, and gone.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, cast

from modelctl import ffmpeg, libsndfile
from modelctl.errors import AudioError
from modelctl.paths import printable
from modelctl.sound import CannotDecode, Sound, frames_a_block

if TYPE_CHECKING:
    import numpy as np

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MOST_CHANNELS = 1024
LOUD = 16.0
"""A peak beyond this is warned of: full scale is 1."""
LOUDEST = 2.0**40
"""A sample beyond this is broken: even 32-bit integers kept as floats stay below."""

_SLACK_SECONDS = 0.1
_BELIEVED = 1 << 28
"""Samples, 1 GiB: four and a half hours at 16 kHz."""
_GROWTH = 1.25


class Form(NamedTuple):
    """What a family hears."""

    sample_rate: int | None
    """Hz; None is the recording's own rate."""
    channels: Literal["mono", "stereo"] = "mono"


Source = Path | str | BinaryIO | tuple["np.ndarray", int]
"""A path, an open binary file, or (samples, sample_rate).

Samples are (n,) or (n, channels); floats have full scale 1, integers the full scale of their type.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """One recording, decoded."""

    name: str
    """Path as given, with what cannot be printed escaped."""
    digest: str
    """sha256 of the file's bytes, or of the float32 samples where samples were given."""
    sample_rate: int
    """Hz, of the recording itself."""
    channels: int
    """Of the recording itself."""
    seconds: float
    """As decoded, whatever the header declares."""
    samples: Mapping[Form, np.ndarray]
    """float32, (n,) for mono and (n, 2) for stereo, by the form that was asked for."""
    warnings: tuple[str, ...] = ()


def decode(source: Source, forms: Collection[Form]) -> Recording:
    """Decode a recording once and give it in every form.

    Mono is the mean of all channels. Stereo is the two channels of a stereo recording; any other recording gives its
    mean twice, since no mix of five or eight channels into two suits all. Resampling is soxr's HQ, after mixing. What
    libsndfile cannot read goes through ffmpeg. A recording that ends before its header says so is given as far as it
    could be read, with a warning.

    Raises AudioError, which names the recording, for what is no regular file, no audio, empty, silent, of a rate that
    nothing records at, or has samples that are NaN or infinite.
    """
    name = _name(source)
    try:
        with ExitStack() as stack:
            if isinstance(source, tuple):
                digest, sound = _samples(*source)
            else:
                file = _opened(source, stack)
                digest, sound = _digest(file), _sound(file, stack)
            return _recording(name, digest, sound, forms)
    except _Unusable as error:
        raise AudioError(f"{name} {error}", hint=error.hint) from error
    except OSError as error:
        hint = "check its permissions and its disk"
        raise AudioError(f"{name} cannot be read: {error.strerror or error}", hint=hint) from error


class _Unusable(Exception):
    """What is wrong with a recording, to be read after its name."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def _name(source: Source) -> str:
    if isinstance(source, tuple):
        return "array"
    name = source if isinstance(source, (str, Path)) else getattr(source, "name", None)
    if not isinstance(name, (str, Path)):
        return "open file"
    return printable(str(name))


def _opened(source: Path | str | BinaryIO, stack: ExitStack) -> BinaryIO:
    if not isinstance(source, (str, Path)):
        return _rewindable(source, stack)
    try:
        _refuse_all_but_files(Path(source).stat().st_mode)
        # Should it have become a pipe meanwhile, opening must not wait for a writer.
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise _Unusable("is not there", f"relative paths start at {_name(Path.cwd())}") from error
    except ValueError as error:  # a NUL
        raise _Unusable(f"is no path: {error}", "check the path") from error
    file = stack.enter_context(io.FileIO(descriptor))
    _refuse_all_but_files(os.fstat(descriptor).st_mode)
    return cast("BinaryIO", file)


def _refuse_all_but_files(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise _Unusable("is a folder", "give a recording in it")
    if not stat.S_ISREG(mode):
        raise _Unusable("is a pipe or a device, not a file", "write the sound to a file first")


def _rewindable(source: BinaryIO, stack: ExitStack) -> BinaryIO:
    if not isinstance(source.read(0), bytes):
        raise _Unusable("is open as text", "open it with mode 'rb'")
    if not source.seekable():
        return _copied(source, stack)
    source.seek(0)
    return source


def _copied(source: BinaryIO, stack: ExitStack) -> BinaryIO:
    copy = stack.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(source, copy)
    copy.seek(0)
    return cast("BinaryIO", copy)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    if not file.tell():
        raise _Unusable("is empty", "fetch or export it again")
    file.seek(0)
    return digest.hexdigest()


def _sound(file: BinaryIO, stack: ExitStack) -> Sound:
    head = file.read(ffmpeg.HEAD_BYTES)
    file.seek(0)
    try:
        return stack.enter_context(libsndfile.decoding(file))
    except CannotDecode as error:
        reason = str(error)
    container = ffmpeg.recognise(head)
    if container is None:
        raise _Unusable(f"is not audio: {reason}", "give a sound file: WAV, FLAC, OGG, MP3, …")
    if not ffmpeg.is_installed():
        what = f"is {container.title}, which libsndfile does not read ({reason}); ffmpeg might, and is not on PATH"
        raise _Unusable(what, ffmpeg.INSTALL)
    file.seek(0)
    try:
        on_disk = file if isinstance(file, io.FileIO) else _copied(file, stack)
        return stack.enter_context(ffmpeg.decoding(on_disk, container))
    except CannotDecode as error:
        what = f"is {container.title}, and neither libsndfile ({reason}) nor ffmpeg ({error}) finds sound in it"
        raise _Unusable(what, "fetch or export it again") from error


def _samples(samples: np.ndarray, sample_rate: int) -> tuple[str, Sound]:
    import numpy as np

    samples = np.asarray(samples)
    if samples.dtype.kind not in "fiu" or samples.ndim not in (1, 2) or 0 in samples.shape[1:]:
        what = f"is {samples.dtype} of shape {samples.shape}"
        raise _Unusable(what, "give floats or integers of shape (n,) or (n, channels)")
    samples = samples[:, None] if samples.ndim == 1 else samples
    frames, channels = samples.shape
    if channels > MOST_CHANNELS:
        what = f"has {channels} channels of {frames} samples"
        raise _Unusable(what, "give shape (n, channels): perhaps transpose it")
    digest = hashlib.sha256()
    for block in _floats(samples):
        digest.update(block.tobytes())
    return digest.hexdigest(), Sound(
        sample_rate=int(sample_rate), channels=channels, frames=frames, blocks=_floats(samples)
    )


def _floats(samples: np.ndarray) -> Iterator[np.ndarray]:
    import numpy as np

    step = frames_a_block(samples.shape[1])
    for start in range(0, len(samples), step):
        block = samples[start : start + step]
        if block.dtype.kind == "f":
            with np.errstate(over="ignore"):  # becomes infinite, and is refused as that
                yield block.astype("<f4")
            continue
        full_scale = 2.0 ** (8 * block.dtype.itemsize - 1)
        middle = full_scale if block.dtype.kind == "u" else 0.0
        yield ((block.astype(np.float64) - middle) / full_scale).astype("<f4")


def _recording(name: str, digest: str, sound: Sound, forms: Collection[Form]) -> Recording:
    if not LOWEST_RATE <= sound.sample_rate <= HIGHEST_RATE:
        what = f"claims {sound.sample_rate} samples a second; {LOWEST_RATE} to {HIGHEST_RATE} Hz are heard"
        raise _Unusable(what, "its header is broken: export it again")
    takers = {_key(form, sound): _Taker(sound, form) for form in forms}
    frames, peak = 0, 0.0
    for block in sound.blocks:
        peak = max(peak, _peak(block, frames / sound.sample_rate, sound.sample_rate))
        frames += len(block)
        mixed = _mixed(block)
        for taker in takers.values():
            taker.take(mixed[taker.channels])
    seconds = frames / sound.sample_rate
    if not frames:
        raise _Unusable("holds no samples", "fetch or export it again")
    if not peak:
        raise _Unusable(f"is silent: every sample of its {seconds:.1f} s is zero", "leave it out")
    return Recording(
        name=name,
        digest=digest,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        seconds=seconds,
        samples=MappingProxyType({form: takers[_key(form, sound)].whole() for form in forms}),
        warnings=tuple(_warnings(sound, frames, peak)),
    )


def _key(form: Form, sound: Sound) -> Form:
    return form._replace(sample_rate=form.sample_rate or sound.sample_rate)


def _peak(block: np.ndarray, start: float, sample_rate: int) -> float:
    import numpy as np

    low, high = float(block.min(initial=0)), float(block.max(initial=0))
    if low > -LOUDEST and high < LOUDEST:  # which NaN is not
        return max(-low, high)
    broken = ~(np.abs(block) < LOUDEST)
    frame, channel = np.unravel_index(int(broken.argmax()), block.shape)
    when = start + float(frame) / sample_rate
    raise _Unusable(f"is broken: the sample at {when:.3f} s is {block[frame, channel]:g}", "export it again")


def _mixed(block: np.ndarray) -> dict[str, np.ndarray]:
    import numpy as np

    channels = block.shape[1]
    # A product with the weights takes a fortieth of the time of block.mean(axis=1).
    mono = block[:, 0] if channels == 1 else block @ np.full(channels, 1 / channels, np.float32)
    return {"mono": mono, "stereo": block if channels == 2 else mono}  # noqa: PLR2004 - stereo


def _warnings(sound: Sound, frames: int, peak: float) -> Iterator[str]:
    yield from sound.warnings
    rate = sound.sample_rate
    if sound.frames is not None and sound.frames - frames > _SLACK_SECONDS * rate:
        yield f"cut off or damaged: declares {sound.frames / rate:.1f} s, and {frames / rate:.1f} s could be read"
    if peak > LOUD:
        yield f"its peak is {peak:g} where full scale is 1: integers kept as floats?"


class _Taker:
    """Gathers one form of a recording."""

    def __init__(self, sound: Sound, form: Form) -> None:
        import numpy as np
        import soxr

        rate = form.sample_rate or sound.sample_rate
        self.channels = form.channels
        two_differ = form.channels == "stereo" and sound.channels == 2  # noqa: PLR2004 - stereo
        self._nothing = np.empty((0, 2) if two_differ else 0, np.float32)
        self._resample = None
        if rate != sound.sample_rate:
            stream = soxr.ResampleStream(sound.sample_rate, rate, 1 + two_differ, "float32", "HQ")
            self._resample = stream.resample_chunk
        # Memory never written costs nothing, so a header is believed up to a point; then it has to prove itself.
        length = min((sound.frames or 0) * rate // sound.sample_rate, _BELIEVED) + rate
        self._samples = np.empty(length if form.channels == "mono" else (length, 2), np.float32)
        self._length = 0

    def take(self, block: np.ndarray) -> None:
        """Take what follows, already mixed."""
        self._append(block if self._resample is None else self._resample(block))

    def whole(self) -> np.ndarray:
        """Return everything taken, at its exact length; nothing can be taken after."""
        if self._resample is not None:
            self._append(self._resample(self._nothing, last=True))
            self._resample = None
        self._resize(self._length)
        return self._samples

    def _append(self, block: np.ndarray) -> None:
        end = self._length + len(block)
        if end > len(self._samples):
            self._resize(max(end, int(_GROWTH * len(self._samples))))
        self._samples[self._length : end] = block if block.ndim == self._samples.ndim else block[:, None]
        self._length = end

    def _resize(self, length: int) -> None:
        # In place, unlike np.resize: on Linux the pages are moved, not copied.
        self._samples.resize((length, *self._samples.shape[1:]), refcheck=False)
