"""Files that libsndfile reads: WAV, FLAC, Ogg, MP3, AIFF and their kin, through soundfile."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from modelctl.sound import CannotDecode, Sound, frames_a_block

if TYPE_CHECKING:
    import numpy as np
    from soundfile import LibsndfileError, SoundFile

_CUT = re.compile(r"(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)")
"""How libsndfile's log tells that a chunk's size and the file's do not agree."""
_UNKNOWN_FRAMES = 1 << 62
_CANNOT_SEEK = 39
"""libsndfile's error when soundfile moves to the end of a file of unknown length: all was read."""
_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
_LONGEST_GUESS = 32
"""Times that an MP3 may be longer than its first frame lets mpg123 guess: 320 kbit/s followed by 8 kbit/s, nearly."""


@contextmanager
def decoding(file: BinaryIO) -> Iterator[Sound]:
    """Open a file that stands at its start. CannotDecode where libsndfile does not know it."""
    import soundfile

    has_length = _states_its_length(file)
    try:
        opened = soundfile.SoundFile(_as_opened(file, has_length=has_length), closefd=False)
    except soundfile.LibsndfileError as error:
        raise CannotDecode(error.error_string.strip().rstrip(".")) from error
    with opened:
        frames = _declared(opened) if has_length else None
        sound = Sound(sample_rate=opened.samplerate, channels=opened.channels, frames=frames, blocks=iter(()))
        sound.blocks = _blocks(opened, sound)
        yield sound


def _blocks(opened: SoundFile, sound: Sound) -> Iterator[np.ndarray]:
    import numpy as np
    import soundfile

    block = np.empty((frames_a_block(sound.channels), sound.channels), np.float32)
    read = 0
    count = len(block)
    error: soundfile.LibsndfileError | None = None
    while count and error is None:
        # After an error soundfile does not say how many frames it read before it: those that are NaN no more.
        block[:, 0] = np.nan
        try:
            count = len(opened.read(out=block))
        except soundfile.LibsndfileError as caught:
            unread = np.isnan(block[:, 0])
            error, count = caught, int(unread.argmax()) if unread.any() else len(block)
        read += count
        yield block[:count]
    sound.warnings += _complaints(opened.extra_info, error, sound, read / sound.sample_rate)


def _complaints(log: str, error: LibsndfileError | None, sound: Sound, seconds: float) -> Iterator[str]:
    if error is not None and error.code != _CANNOT_SEEK and sound.frames is None:
        yield f"nothing could be read after {seconds:.1f} s: cut off, damaged, or no sound from there on"
    if "without an End-Of-Stream" in log:
        yield f"cut off: it has no end mark, and {seconds:.1f} s could be read"
    if "reports a hole" in log or "Corrupted bitstream" in log:
        yield "damaged: a part in it could not be read and is missing"


def _declared(opened: SoundFile) -> int | None:
    frames: int = opened.frames
    if frames >= _UNKNOWN_FRAMES:
        return None
    cut = _CUT.search(opened.extra_info)
    if cut is None or cut[2] == "0":
        return frames
    return max(frames, round(frames * int(cut[1]) / int(cut[2])))


def _states_its_length(file: BinaryIO) -> bool:
    """Tell whether a file, if an MP3, has the tag that holds its length; anything else is taken at its word."""
    head = file.read(10)
    skip = 0
    if head.startswith(b"ID3"):
        sizes = head[6:10]
        skip = 10 + sum(byte << shift for byte, shift in zip(sizes, (21, 14, 7, 0), strict=False))
        file.seek(skip)
        head = file.read(10)
    is_mp3 = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2  # noqa: PLR2004 - sync and layer III
    file.seek(skip)
    start = file.read(4096)
    file.seek(0)
    return not is_mp3 or any(tag in start for tag in _LENGTH_TAGS)


def _as_opened(file: BinaryIO, *, has_length: bool) -> Any:
    if not has_length:
        return _Longer(file)
    return file.fileno() if isinstance(file, io.FileIO) else file


class _Longer:
    """An MP3 that claims to be longer than it is.

    Without a length tag mpg123 guesses the length from the size of the file and its first frame, and libsndfile
    stops reading there: a file that gets denser would lose its end, without a word.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._claimed = _LONGEST_GUESS * file.seek(0, io.SEEK_END)
        self.read = file.read
        self.tell = file.tell
        file.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as asked, but for the end itself; tags at the end are found where they are."""
        if whence == io.SEEK_END and offset == 0:
            return self._file.seek(self._claimed)
        return self._file.seek(offset, whence)
