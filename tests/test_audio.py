from __future__ import annotations

import gzip
import hashlib
import io
import os
import runpy
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from music import tracker_module, tracks

from modelctl import sound
from modelctl.audio import Form, Recording, decode
from modelctl.errors import AudioError

HERE = Path(__file__).parent
DEMO = HERE / "audio" / "demo.flac"
RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000)
NATIVE = Form(None)
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on PATH")


def noise(frames: int, channels: int = 1) -> np.ndarray:
    """Return float32 of shape (frames, channels), within full scale."""
    return np.random.default_rng(frames + channels).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def wav(path: Path, samples: np.ndarray, rate: int = 44100) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def mono(samples: np.ndarray) -> np.ndarray:
    mean: np.ndarray = samples.astype(np.float64).mean(axis=1).astype(np.float32)
    return mean


def heard(source: Any, form: Form = NATIVE) -> np.ndarray:
    return decode(source, [form]).samples[form]


@given(
    frames=st.integers(1, 30_000),
    block=st.integers(1, 5_000),
    channels=st.sampled_from([1, 2, 3]),
    rates=st.tuples(st.sampled_from(RATES), st.sampled_from(RATES)),
    form=st.sampled_from(["mono", "stereo"]),
)
@settings(max_examples=60, deadline=None)
def test_the_size_of_the_blocks_does_not_change_the_samples(
    frames: int, block: int, channels: int, rates: tuple[int, int], form: Literal["mono", "stereo"]
) -> None:
    native, wanted = rates
    samples = noise(frames, channels)
    mixed = samples if (channels, form) == (2, "stereo") else mono(samples)
    at_once = soxr.resample(mixed, native, wanted, quality="HQ")
    if form == "stereo" and channels != 2:
        at_once = np.stack([at_once, at_once], axis=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sound, "BLOCK_SAMPLES", block * channels)
        in_blocks = heard((samples, native), Form(wanted, form))

    assert in_blocks.dtype == np.float32
    np.testing.assert_allclose(in_blocks, at_once, atol=1e-6)


def test_one_decoding_gives_every_form_as_a_decoding_of_its_own_would(tmp_path: Path) -> None:
    path = wav(tmp_path / "clip.wav", noise(100_000, 2))
    forms = [Form(rate, channels) for rate in (None, 16000, 44100, 48000) for channels in ("mono", "stereo")]

    together = decode(path, forms).samples

    assert set(together) == set(forms)
    for form in forms:
        np.testing.assert_array_equal(together[form], heard(path, form))


def test_says_what_the_recording_itself_is(tmp_path: Path) -> None:
    path = wav(tmp_path / "clip.wav", noise(22050, 3))

    recording = decode(path, [Form(16000)])

    assert recording.name == str(path)
    assert (recording.sample_rate, recording.channels, recording.seconds) == (44100, 3, 0.5)
    assert recording.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert recording.warnings == ()
    with pytest.raises(TypeError):
        recording.samples[NATIVE] = noise(1)  # type: ignore[index]


def test_asking_for_no_form_still_proves_the_recording(tmp_path: Path) -> None:
    assert decode(wav(tmp_path / "clip.wav", noise(44100)), []).seconds == 1


@pytest.mark.parametrize("rate", RATES)
def test_every_usual_rate_is_resampled_to_every_wanted_one(tmp_path: Path, rate: int) -> None:
    samples = noise(rate // 2)
    path = wav(tmp_path / "clip.wav", samples, rate)

    decoded = decode(path, [Form(wanted) for wanted in RATES]).samples

    for wanted in RATES:
        expected = soxr.resample(samples[:, 0], rate, wanted, quality="HQ")
        np.testing.assert_allclose(decoded[Form(wanted)], expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 1024])
def test_mono_is_the_mean_of_all_channels(tmp_path: Path, channels: int) -> None:
    samples = noise(2000, channels)

    np.testing.assert_allclose(heard(wav(tmp_path / "clip.wav", samples)), mono(samples), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_stereo_of_anything_but_stereo_is_the_mean_twice(tmp_path: Path, channels: int) -> None:
    samples = noise(2000, channels)

    both = heard(wav(tmp_path / "clip.wav", samples), Form(None, "stereo"))

    np.testing.assert_allclose(both, np.stack([mono(samples)] * 2, axis=1), atol=1e-6)


def test_stereo_of_stereo_is_left_and_right(tmp_path: Path) -> None:
    samples = noise(2000, 2)

    np.testing.assert_array_equal(heard(wav(tmp_path / "clip.wav", samples), Form(44100, "stereo")), samples)


@pytest.mark.parametrize(
    ("suffix", "settings", "tolerance"),
    [
        ("wav", {"subtype": "PCM_16"}, 1e-4),
        ("wav", {"subtype": "PCM_24"}, 1e-6),
        ("wav", {"subtype": "DOUBLE"}, 0),
        ("wav", {"subtype": "PCM_U8"}, 1e-2),
        ("flac", {}, 1e-4),
        ("aiff", {}, 1e-4),
        ("caf", {}, 1e-4),
        ("w64", {}, 1e-4),
        ("ogg", {}, 0.4),
        ("ogg", {"subtype": "OPUS"}, 0.4),
        ("mp3", {}, 0.4),
    ],
    ids=str,
)
def test_the_usual_formats_are_read_to_their_end(
    tmp_path: Path, suffix: str, settings: dict[str, str], tolerance: float
) -> None:
    tone = 0.5 * np.sin(np.arange(3 * 48000) / 20).astype(np.float32)
    soundfile.write(tmp_path / f"clip.{suffix}", tone, 48000, **settings)

    recording = decode(tmp_path / f"clip.{suffix}", [NATIVE])

    assert recording.warnings == ()
    assert len(recording.samples[NATIVE]) == len(tone)
    # Opus and its kin fade out in the last hundredth of a second.
    np.testing.assert_allclose(recording.samples[NATIVE][:-480], tone[:-480], atol=tolerance)


def first_frame(mp3: bytes) -> int:
    """Return the length of the frame that holds an MP3's length tag (MPEG 1, 44.1 kHz)."""
    header = int.from_bytes(mp3[:4], "big")
    kilobits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[header >> 12 & 15]
    return 144 * kilobits * 1000 // 44100 + (header >> 9 & 1)


@pytest.mark.parametrize("loud_part", [0, 1], ids=["dense first", "dense last"])
@pytest.mark.parametrize("tag", [b"", b"ID3\x03\0\0\0\0\x07\x76" + b"Info" + bytes(1010)], ids=["", "behind ID3"])
def test_an_mp3_that_does_not_state_its_length_is_read_to_its_end(tmp_path: Path, loud_part: int, tag: bytes) -> None:
    """libsndfile trusts a guess from the first frame: 4.5 s of the 10."""
    samples = noise(441_000)
    samples[:220_500] *= loud_part == 0
    samples[220_500:] *= loud_part == 1
    soundfile.write(tmp_path / "tagged.mp3", samples, 44100)
    mp3 = (tmp_path / "tagged.mp3").read_bytes()
    (tmp_path / "bare.mp3").write_bytes(tag + mp3[first_frame(mp3) :])

    recording = decode(tmp_path / "bare.mp3", [NATIVE])

    assert recording.warnings == ()
    assert recording.seconds == pytest.approx(10, abs=0.05)


@pytest.mark.parametrize("frames", [1, 300_001, sound.BLOCK_SAMPLES])
def test_a_flac_that_does_not_state_its_length_is_read_to_its_end(tmp_path: Path, frames: int) -> None:
    samples = noise(frames, 2)
    soundfile.write(tmp_path / "clip.flac", samples, 44100)
    flac = bytearray((tmp_path / "clip.flac").read_bytes())
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    (tmp_path / "clip.flac").write_bytes(flac)

    recording = decode(tmp_path / "clip.flac", [NATIVE])

    assert recording.warnings == ()
    assert len(recording.samples[NATIVE]) == frames


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, ">i2", ">f8", "f2", "f4"]
)
def test_integers_reach_as_far_as_floats(dtype: Any) -> None:
    samples = noise(1000)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        given = samples.astype(kind)
    else:
        full_scale = 2.0 ** (8 * kind.itemsize - 1)
        given = np.round(samples * full_scale + full_scale * (kind.kind == "u")).astype(kind)

    np.testing.assert_allclose(heard((given, 44100)), samples[:, 0], atol=0.005 if kind.itemsize < 2 else 5e-4)


def test_integers_of_a_file_are_what_the_same_integers_are_in_an_array(tmp_path: Path) -> None:
    samples = (noise(1000, 2) * 32768).astype(np.int16)
    soundfile.write(tmp_path / "clip.wav", samples, 44100)

    np.testing.assert_array_equal(heard(tmp_path / "clip.wav"), heard((samples, 44100)))


def test_an_array_may_be_flat_or_strided() -> None:
    samples = noise(1000, 2)

    np.testing.assert_array_equal(heard((samples[:, 0], 8000)), samples[:, 0])
    np.testing.assert_array_equal(heard((samples.T.copy().T, 8000), Form(None, "stereo")), samples)
    np.testing.assert_array_equal(heard((samples[::-1], 8000), Form(None, "stereo")), samples[::-1])


def test_the_digest_of_an_array_is_that_of_its_float32_samples() -> None:
    samples = noise(700_000, 2)

    assert decode((samples, 44100), []).digest == hashlib.sha256(samples.tobytes()).hexdigest()
    assert decode((samples.astype(np.float64), 44100), []).digest == decode((samples, 44100), []).digest


def test_what_was_given_is_left_as_it_was() -> None:
    samples = noise(1000)
    before = samples.copy()

    heard((samples, 44100))[:] = 0

    np.testing.assert_array_equal(samples, before)


@pytest.fixture(params=["path", "words", "file", "bytes", "gzip", "pipe"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """The same FLAC as a path, a string, and as what else can be read from, standing somewhere inside."""
    path = tmp_path / "clip.flac"
    soundfile.write(path, noise(50_000, 2), 44100)
    if request.param in {"path", "words"}:
        yield path if request.param == "path" else str(path)
        return
    if request.param == "pipe":
        reading, writing = os.pipe()

        def write() -> None:
            with os.fdopen(writing, "wb") as file:
                file.write(path.read_bytes())

        writer = threading.Thread(target=write)
        writer.start()
        with os.fdopen(reading, "rb") as file:
            yield file
        writer.join()
        return
    (tmp_path / "clip.gz").write_bytes(gzip.compress(path.read_bytes()))
    makers: dict[str, Callable[[], Any]] = {
        "file": lambda: path.open("rb"),
        "bytes": lambda: io.BytesIO(path.read_bytes()),
        "gzip": lambda: gzip.GzipFile(tmp_path / "clip.gz"),
    }
    with makers[request.param]() as file:
        file.seek(100)
        yield file


def test_a_file_that_is_open_gives_what_its_path_gives(opened: Any, tmp_path: Path) -> None:
    by_path = decode(tmp_path / "clip.flac", [Form(16000)])

    recording = decode(opened, [Form(16000)])

    assert recording.digest == by_path.digest
    np.testing.assert_array_equal(recording.samples[Form(16000)], by_path.samples[Form(16000)])


def test_an_open_file_stays_open() -> None:
    file = io.BytesIO(DEMO.read_bytes())

    decode(file, [NATIVE])

    assert not file.closed


def test_the_demo_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(HERE / "audio" / "make_demo.py"))["demo"]()
    kept, rate = soundfile.read(DEMO, dtype="int16")

    assert rate == 22050
    assert made.shape == kept.shape == (12 * rate, 2)
    # A sine may differ in its last bit from one processor to another, and so fall to the other side of a step.
    assert np.abs(made.astype(int) - kept).max() <= 8
    assert (made == kept).mean() > 0.999
    assert DEMO.stat().st_size < 500_000


def make_m4a(folder: Path, *options: str, name: str = "clip.m4a") -> Path:
    wav(folder / "source.wav", noise(441_000, 2))
    words = ["ffmpeg", "-v", "error", "-i", "source.wav", "-c:a", "aac", *options, f"file:{name}"]
    subprocess.run(words, cwd=folder, check=True)
    return folder / name


@needs_ffmpeg
@pytest.mark.parametrize("name", ["clip.m4a", "clip.aac", "clip.mkv", "-i concat:x, y\n%d.mp4"])
def test_other_containers_come_through_ffmpeg(tmp_path: Path, name: str) -> None:
    path = make_m4a(tmp_path, name=name)

    recording = decode(path, [Form(16000), Form(None, "stereo")])

    assert (recording.sample_rate, recording.channels) == (44100, 2)
    assert recording.seconds == pytest.approx(10, abs=0.05)
    assert recording.warnings == ()
    assert recording.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(recording.samples[Form(16000)]) == pytest.approx(160_000, abs=800)
    assert recording.samples[Form(None, "stereo")].std() == pytest.approx(noise(441_000, 2).std(), rel=0.2)


@needs_ffmpeg
def test_ffmpeg_gives_the_same_for_an_open_file(tmp_path: Path) -> None:
    path = make_m4a(tmp_path)

    np.testing.assert_array_equal(heard(io.BytesIO(path.read_bytes())), heard(path))


@needs_ffmpeg
def test_an_m4a_that_was_cut_is_given_as_far_as_it_goes(tmp_path: Path) -> None:
    path = make_m4a(tmp_path, "-movflags", "faststart")
    os.truncate(path, path.stat().st_size * 6 // 10)

    recording = decode(path, [NATIVE])

    assert 3 < recording.seconds < 9
    assert any("declares 10.0 s" in warning for warning in recording.warnings)


@needs_ffmpeg
def test_an_m4a_without_its_table_of_contents_is_refused_in_ffmpegs_words(tmp_path: Path) -> None:
    path = make_m4a(tmp_path)
    os.truncate(path, path.stat().st_size * 6 // 10)

    with pytest.raises(AudioError, match="moov atom not found"):
        decode(path, [NATIVE])


@needs_ffmpeg
@pytest.mark.parametrize("playlist", ["#EXTM3U\n#EXTINF:1,\nsecret.wav\n", "ffconcat version 1.0\nfile secret.wav\n"])
def test_a_playlist_in_place_of_a_recording_is_not_followed(tmp_path: Path, playlist: str) -> None:
    wav(tmp_path / "secret.wav", noise(44100))
    (tmp_path / "list.m4a").write_text(playlist)

    with pytest.raises(AudioError, match="not audio"):
        decode(tmp_path / "list.m4a", [NATIVE])


PEAK = """\
import resource, sys
from pathlib import Path
from modelctl.audio import Form, decode
from modelctl.errors import AudioError
try:
    decode(sys.argv[1], [Form(16000)])
except AudioError as error:
    print(error, file=sys.stderr)
status = Path("/proc/self/status")  # a child's ru_maxrss starts at its parent's
if status.exists():
    print(*[int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM")])
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_long(path: Path, block: np.ndarray, rate: int, seconds: int) -> Path:
    with soundfile.SoundFile(path, "w", rate, block.shape[1]) as file:
        for _ in range(seconds * rate // len(block)):
            file.write(block)
    return path


def peak_of_decoding(path: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
    return int(done.stdout), done.stderr


def test_twenty_minutes_take_the_memory_of_the_wanted_form(tmp_path: Path) -> None:
    path = write_long(tmp_path / "long.flac", noise(1 << 16, 2), 44100, 1200)

    peak, said = peak_of_decoding(path)

    assert said == ""
    assert peak < 1200 * 16000 * 4 + 150_000_000


def test_an_hour_of_eight_silent_channels_in_half_a_megabyte_ends_as_silent(tmp_path: Path) -> None:
    path = write_long(tmp_path / "bomb.flac", np.zeros((1 << 16, 8), np.int16), 22050, 3600)

    peak, said = peak_of_decoding(path)

    assert "is silent" in said
    assert path.stat().st_size < 1_000_000
    assert peak < 3600 * 16000 * 4 + 150_000_000


def test_the_memory_grows_with_a_recording_that_states_no_length(tmp_path: Path) -> None:
    path = write_long(tmp_path / "clip.flac", noise(48_000, 2), 48000, 60)
    flac = bytearray(path.read_bytes())
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    unknown = tmp_path / "unknown.flac"
    unknown.write_bytes(flac)
    forms = [Form(16000), Form(None, "stereo")]

    for form, samples in decode(unknown, forms).samples.items():
        np.testing.assert_array_equal(samples, heard(path, form))


def test_a_header_that_declares_a_month_reserves_no_memory_for_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.flac", noise(44100, 2), 44100)
    flac = bytearray((tmp_path / "clip.flac").read_bytes())
    flac[21] |= 0x0F
    flac[22:26] = b"\xff" * 4
    (tmp_path / "clip.flac").write_bytes(flac)

    peak, said = peak_of_decoding(tmp_path / "clip.flac")
    recording: Recording = decode(tmp_path / "clip.flac", [NATIVE])

    assert said == ""
    assert peak < 150_000_000
    assert recording.samples[NATIVE].base is None
    assert recording.samples[NATIVE].nbytes == 4 * 44100
    assert "declares 1558264.8 s, and 1.0 s could be read" in recording.warnings[0]


@pytest.mark.music
def test_real_tracks_are_decoded_to_their_end_without_a_warning() -> None:
    forms = [Form(16000), Form(44100, "stereo")]
    for path in tracks():
        recording = decode(path, forms)

        assert recording.warnings == (), path
        # For these MP3 tracks, which do not state their length, libsndfile guesses it.
        assert recording.seconds == pytest.approx(soundfile.info(path).duration, abs=0.5)
        for form in forms:
            samples = recording.samples[form]
            assert len(samples) == pytest.approx(recording.seconds * cast("int", form.sample_rate), abs=1)
            assert np.isfinite(samples).all()
            assert 0.001 < samples.std() < 1


@pytest.mark.music
def test_a_tracker_module_is_no_recording() -> None:
    with pytest.raises(AudioError, match="not audio"):
        decode(tracker_module(), [NATIVE])
