"""Recordings that must be refused, and recordings that must be given with a warning; each made here."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

from modelctl.audio import Form, decode
from modelctl.errors import AudioError

RATE = 44100
FORMS = [Form(16000), Form(None, "stereo")]


def noise(seconds: float = 1, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(7).uniform(-0.5, 0.5, (round(seconds * RATE), channels)).astype(np.float32)


def sound(path: Path, samples: np.ndarray | None = None, rate: int = RATE, **how: str) -> Path:
    soundfile.write(path, noise() if samples is None else samples, rate, **how)
    return path


def floats(path: Path, *wrong: tuple[int, float]) -> Path:
    """Write a float WAV whose sample at each of these frames is the given one."""
    samples = noise()
    for frame, value in wrong:
        samples[frame, 1] = value
    return sound(path, samples, subtype="FLOAT")


def patched(path: Path, offset: int, layout: str, *values: int) -> Path:
    """Write a 16-bit WAV of 1 s and put other numbers into its header."""
    sound(path)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack(layout, *values))
    return path


def filled(path: Path, content: bytes | bytearray) -> Path:
    path.write_bytes(content)
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def linked(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


def locked(path: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    sound(path).chmod(0)
    return path


def cut(path: Path, fraction: float = 0.68) -> Path:
    """Write 10 s and keep the first part of the file."""
    sound(path, noise(10))
    os.truncate(path, round(path.stat().st_size * fraction))
    return path


def holed(path: Path) -> Path:
    """Write 10 s and scramble 2,000 bytes in the middle of the file."""
    content = bytearray(sound(path, noise(10)).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    return filled(path, content)


class Bad(NamedTuple):
    """What is made in an empty folder, and what is said of it."""

    about: str
    make: Callable[[Path], Any]
    says: str
    hint: str = ""


REFUSED = [
    Bad("missing", lambda f: f / "gone.wav", "gone.wav is not there", "relative paths start at"),
    Bad("folder", lambda f: f, "is a folder", "give a recording in it"),
    Bad("path through a file", lambda f: sound(f / "a.wav") / "b.wav", "cannot be read: Not a directory"),
    Bad("NUL in the name", lambda f: f"{f}/a\0.wav", "a\\x00.wav is no path"),
    Bad("named pipe", lambda f: pipe(f / "pipe.wav"), "is a pipe or a device", "write the sound to a file"),
    Bad("/dev/zero", lambda _: "/dev/zero", "/dev/zero is a pipe or a device"),
    Bad("link to a device", lambda f: linked(f / "a.wav", "/dev/zero"), "a.wav is a pipe or a device"),
    Bad("link in a circle", lambda f: linked(f / "a.wav", "a.wav"), "a.wav cannot be read: Too many levels"),
    Bad("no permission", lambda f: locked(f / "a.wav"), "a.wav cannot be read: Permission denied", "permissions"),
    Bad("empty", lambda f: filled(f / "a.wav", b""), "a.wav is empty", "export it again"),
    Bad("empty, from memory", lambda _: io.BytesIO(), "open file is empty"),
    Bad("open as text", lambda _: io.StringIO("RIFF"), "is open as text", "'rb'"),
    Bad("random bytes", lambda f: filled(f / "a.mp3", np.random.default_rng(1).bytes(50_000)), "is not audio"),
    Bad("a web page", lambda f: filled(f / "a.flac", b"<!doctype html><p>404</p>"), "not audio", "give a sound file"),
    Bad("text called .wav", lambda f: filled(f / "notes.wav", b"hello\n"), "notes.wav is not audio"),
    Bad("password file by link", lambda f: linked(f / "a.wav", "/etc/passwd"), "a.wav is not audio"),
    Bad("headless samples", lambda f: filled(f / "a.raw", noise().tobytes()), "a.raw is not audio"),
    Bad("a header alone", lambda f: cut(f / "a.wav", 44 / 1764044), "a.wav holds no samples"),
    Bad("no samples", lambda f: sound(f / "a.wav", noise(0)), "a.wav holds no samples"),
    Bad("0 channels", lambda f: patched(f / "a.wav", 22, "<H", 0), "Channel count is zero"),
    Bad("0 Hz", lambda f: patched(f / "a.wav", 24, "<I", 0), "a.wav is WAV"),
    Bad("1 Hz", lambda f: patched(f / "a.wav", 24, "<I", 1), "claims 1 samples a second", "its header is broken"),
    Bad("2147483647 Hz", lambda f: patched(f / "a.wav", 24, "<I", 2**31 - 1), "claims 2147483647 samples a second"),
    Bad("silent", lambda f: sound(f / "a.flac", 0 * noise()), "every sample of its 1.0 s is zero", "leave it out"),
    Bad("NaN", lambda f: floats(f / "a.wav", (11025, np.nan)), "the sample at 0.250 s is nan"),
    Bad("infinite", lambda f: floats(f / "a.wav", (33075, -np.inf)), "the sample at 0.750 s is -inf"),
    Bad("NaN, then infinite", lambda f: floats(f / "a.wav", (9, np.inf), (5, np.nan)), "at 0.000 s is nan"),
    Bad("1e30", lambda f: floats(f / "a.wav", (0, 1e30)), "the sample at 0.000 s is 1e+30", "export it again"),
    Bad("1e300 in an array", lambda _: (np.array([0, 1e300]), RATE), "array is broken: the sample at 0.000 s is inf"),
    Bad("NaN in an array", lambda _: (np.array([0.1, np.nan]), 1000), "array is broken: the sample at 0.001 s is nan"),
    Bad("empty array", lambda _: (np.empty((0, 2)), RATE), "array holds no samples"),
    Bad("array without channels", lambda _: (np.empty((5, 0)), RATE), "array is float64 of shape (5, 0)"),
    Bad("complex array", lambda _: (np.ones(5, complex), RATE), "array is complex128 of shape (5,)"),
    Bad("array of three axes", lambda _: (np.ones((1, 2, 5)), RATE), "of shape (1, 2, 5)", "(n, channels)"),
    Bad("array lying down", lambda _: (noise().T, RATE), "array has 44100 channels of 2 samples", "transpose"),
    Bad("array at 0 Hz", lambda _: (noise(), 0), "array claims 0 samples a second"),
]

WARNED = [
    Bad("cut WAV", lambda f: cut(f / "a.wav"), "declares 10.0 s, and 6.8 s could be read"),
    Bad("cut FLAC", lambda f: cut(f / "a.flac"), "declares 10.0 s, and 6.8 s could be read"),
    Bad("cut MP3", lambda f: cut(f / "a.mp3"), "declares 10.0 s, and 6.8 s could be read"),
    Bad("cut AIFF", lambda f: cut(f / "a.aiff"), "declares 10.0 s, and 6.8 s could be read"),
    Bad("cut AU", lambda f: cut(f / "a.au"), "declares 10.0 s, and 6.8 s could be read"),
    Bad("cut Wave64", lambda f: cut(f / "a.w64"), "declares 10.0 s, and 6.8 s could be read"),
    Bad("cut OGG", lambda f: cut(f / "a.ogg"), "it has no end mark, and 6.7 s could be read"),
    Bad("4 GB declared", lambda f: patched(f / "a.wav", 40, "<I", 2**32 - 16), "declares 24347.9 s, and 1.0 s could"),
    Bad("FLAC with a hole", lambda f: holed(f / "a.flac"), "declares 10.0 s, and 4.9 s could be read"),
    Bad("OGG with a hole", lambda f: holed(f / "a.ogg"), "a part in it could not be read"),
    Bad("amplitude 1e6", lambda f: floats(f / "a.wav", (5, -1e6)), "its peak is 1e+06 where full scale is 1"),
    Bad("integers as floats", lambda _: (np.full((5, 1), 32767.0), RATE), "its peak is 32767 where full scale is 1"),
]


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: bad.about)
def test_what_is_no_usable_recording_is_refused_with_exit_code_2(bad: Bad, tmp_path: Path) -> None:
    source = bad.make(tmp_path)

    with pytest.raises(AudioError) as refusal:
        decode(source, FORMS)

    assert refusal.value.exit_code == 2
    assert bad.says in refusal.value.message
    assert refusal.value.message.startswith((str(tmp_path), "/dev", "open file", "array"))
    assert refusal.value.hint
    assert bad.hint in refusal.value.hint


@pytest.mark.parametrize("bad", WARNED, ids=lambda bad: bad.about)
def test_what_can_partly_be_read_is_given_with_a_warning(bad: Bad, tmp_path: Path) -> None:
    recording = decode(bad.make(tmp_path), FORMS)

    assert bad.says in "; ".join(recording.warnings)
    assert len(recording.samples[FORMS[1]]) == round(recording.seconds * RATE)
    assert all(np.isfinite(samples).all() for samples in recording.samples.values())


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "au"])
def test_what_is_left_of_a_cut_recording_is_its_beginning_to_the_last_frame(tmp_path: Path, suffix: str) -> None:
    whole = decode(sound(tmp_path / f"whole.{suffix}", noise(10)), FORMS).samples[FORMS[1]]

    part = decode(cut(tmp_path / f"a.{suffix}"), FORMS).samples[FORMS[1]]

    np.testing.assert_array_equal(part, whole[: len(part)])
    assert len(part) == pytest.approx(0.68 * len(whole), rel=0.01)


@pytest.mark.parametrize(
    "name",
    [
        b"with space.wav",
        b"a,b;c:d=e.wav",
        b"two\nlines.wav",
        b"-i.wav",
        b"%d*?[x]$(touch hacked)`.wav",
        b"caf\xe9 \xff.wav",
        "日本語 \u202e.wav".encode(),
        b"no-suffix",
        b"wrong.mp3",
    ],
    ids=repr,
)
def test_any_file_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        with open(name, "wb") as file:  # noqa: PTH123 - a name that is no text
            soundfile.write(file, noise(), RATE, format="WAV")
    except OSError:
        pytest.skip("this file system refuses the name")

    recording = decode(os.fsdecode(name), FORMS)

    assert recording.seconds == 1
    assert recording.name.isprintable()
    assert recording.name.encode()


def test_a_link_to_a_recording_is_followed(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")

    assert decode(linked(tmp_path / "b.wav", "a.wav"), FORMS).seconds == 1


def test_without_ffmpeg_another_container_is_named_with_the_command_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = filled(tmp_path / "a.m4a", b"\0\0\0\x20ftypM4A \0\0\2\0" + bytes(100))

    with pytest.raises(AudioError, match=r"a\.m4a is MP4, which libsndfile does not read") as refusal:
        decode(path, FORMS)

    assert refusal.value.hint in {"apt install ffmpeg", "brew install ffmpeg"}


def test_a_recording_that_is_refused_leaves_no_file_open(tmp_path: Path) -> None:
    paths = [
        cut(tmp_path / "a.wav", 44 / 1764044),
        floats(tmp_path / "b.wav", (5, np.nan)),
        filled(tmp_path / "c", b"x"),
    ]
    descriptors = Path("/dev/fd")
    before = len(list(descriptors.iterdir()))

    for path in paths * 5:
        with pytest.raises(AudioError):
            decode(path, FORMS)

    assert len(list(descriptors.iterdir())) == before
