"""Containers that libsndfile does not read, decoded by the ffmpeg program; nothing else starts it.

What ffmpeg sees is decided here: one open file, one kind of container, and no protocol that leaves the machine. So a
playlist, a pattern or a url in the place of a recording does nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from modelctl.sound import CannotDecode, Sound, frames_a_block

if TYPE_CHECKING:
    import numpy as np

HEAD_BYTES = 16
"""How much of a file `recognise` wants to see."""
INSTALL = "brew install ffmpeg" if sys.platform == "darwin" else "apt install ffmpeg"

_AU_HEADER = 24
_MOST_SAID = 1 << 20
_DURATION = re.compile(rb"Duration: (\d+):(\d\d):(\d\d\.\d+)")
_ERROR = re.compile(rb"\[(?:error|fatal)\] (.+)")
_A_GUESS = b"Estimating duration from bitrate"


class Container(NamedTuple):
    """A kind of file, known by its first bytes."""

    title: str
    demuxer: str
    """What ffmpeg calls it."""
    magic: bytes
    offset: int = 0


CONTAINERS = (
    Container("MP4", "mov", b"ftyp", 4),
    Container("Matroska or WebM", "matroska", b"\x1a\x45\xdf\xa3"),
    Container("WMA", "asf", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    Container("AAC", "aac", b"\xff\xf1"),
    Container("AAC", "aac", b"\xff\xf9"),
    Container("AC-3", "ac3", b"\x0b\x77"),
    Container("DTS", "dts", b"\x7f\xfe\x80\x01"),
    Container("AMR", "amr", b"#!AMR"),
    Container("Monkey's Audio", "ape", b"MAC "),
    Container("WavPack", "wv", b"wvpk"),
    Container("True Audio", "tta", b"TTA1"),
    Container("TAK", "tak", b"tBaK"),
    Container("Musepack", "mpc8", b"MPCK"),
    Container("Musepack", "mpc", b"MP+"),
    Container("DSF", "dsf", b"DSD "),
    Container("RealMedia", "rm", b".RMF"),
    Container("AVI", "avi", b"AVI ", 8),
    Container("FLV", "flv", b"FLV"),
    Container("WAV", "wav", b"WAVE", 8),
    Container("FLAC", "flac", b"fLaC"),
    Container("Ogg", "ogg", b"OggS"),
    Container("AIFF", "aiff", b"FORM"),
    Container("CAF", "caf", b"caff"),
    Container("Wave64", "w64", b"riff"),
    Container("MP3", "mp3", b"ID3"),
    *(Container("MP3", "mp3", bytes([0xFF, second])) for second in (0xFA, 0xFB, 0xF2, 0xF3, 0xE2, 0xE3)),
)


def recognise(head: bytes) -> Container | None:
    """Return the kind of container that starts with these bytes."""
    for container in CONTAINERS:
        if head[container.offset :].startswith(container.magic):
            return container
    return None


def is_installed() -> bool:
    """Tell whether there is an ffmpeg on PATH."""
    return shutil.which("ffmpeg") is not None


@contextmanager
def decoding(file: IO[bytes], container: Container) -> Iterator[Sound]:
    """Run ffmpeg on an open file of the disk, and end it when the block is left.

    Needs ffmpeg on PATH; raises CannotDecode where no sound comes out.
    """
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(  # noqa: S603 - a list, and no word of it comes from the file or its name
            _command(file.fileno(), container), stdout=subprocess.PIPE, stderr=log, pass_fds=(file.fileno(),)
        ) as process,
    ):
        try:
            yield _sound(cast("IO[bytes]", process.stdout), log)
        finally:
            process.kill()


def _sound(pipe: IO[bytes], log: IO[bytes]) -> Sound:
    header = pipe.read(_AU_HEADER)
    if len(header) < _AU_HEADER:
        raise CannotDecode(_complaint(log) or "it says nothing")
    _, offset, _, _, rate, channels = struct.unpack(">4s5I", header)
    pipe.read(offset - _AU_HEADER)
    sound = Sound(sample_rate=rate, channels=channels, frames=_declared(log, rate), blocks=iter(()))
    sound.blocks = _blocks(pipe, log, sound)
    return sound


def _command(descriptor: int, container: Container) -> list[str]:
    # AU is the plainest header that carries rate and channels through a pipe, so nothing has to be asked beforehand
    # and ffprobe is not needed. The file comes by descriptor: its name, whatever it is, never reaches ffmpeg.
    before = ["-nostdin", "-hide_banner", "-nostats", "-v", "level+info"]
    before += ["-protocol_whitelist", "file,pipe", "-f", container.demuxer]
    after = ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    return ["ffmpeg", *before, "-i", f"file:/dev/fd/{descriptor}", *after]


def _blocks(pipe: IO[bytes], log: IO[bytes], sound: Sound) -> Iterator[np.ndarray]:
    import numpy as np

    width = 4 * sound.channels
    while piece := pipe.read(frames_a_block(sound.channels) * width):
        whole = len(piece) // width * width
        yield np.frombuffer(piece[:whole], ">f4").astype(np.float32).reshape(-1, sound.channels)
    if complaint := _complaint(log):
        sound.warnings.append(f"damaged, says ffmpeg: {complaint}")


def _declared(log: IO[bytes], rate: int) -> int | None:
    said = _read(log)
    found = _DURATION.search(said)
    if found is None or _A_GUESS in said:
        return None
    hours, minutes, seconds = found.groups()
    return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * rate)


def _complaint(log: IO[bytes]) -> str:
    """Return the first thing that ffmpeg calls an error; what follows follows from it."""
    found = _ERROR.search(_read(log))
    return found[1].decode("utf-8", "replace") if found else ""


def _read(log: IO[bytes]) -> bytes:
    return os.pread(log.fileno(), _MOST_SAID, 0)
