from __future__ import annotations

import ast
import math
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import essentia.standard
import librosa as library
import numpy as np
import opensmile as wrapper
import pytest
import soundfile
from music import tracks
from scipy import stats

from modelctl import audio
from modelctl.audio import Form
from modelctl.worker.families import essentia as essentia_family
from modelctl.worker.families import librosa, opensmile
from modelctl.worker.protocol import BadInput, BadWeights, Embed, Output

HERE = Path(__file__).parent
DEMO = HERE / "audio" / "demo.flac"


class Case:
    """A family with its parameters, the form it hears, and what its manifest promises of it."""

    def __init__(self, load: Callable[..., Embed], form: Form, dim: int, **parameters: Any) -> None:
        self.load, self.form, self.dim, self.parameters = load, form, dim, parameters

    def embed(self) -> Embed:
        return self.load("", dict(self.parameters))

    def of_demo(self) -> Output:
        samples, rate = demo(self.form)
        return self.embed()(samples, rate)


NATIVE, STEREO, SPEECH = Form(None), Form(44100, "stereo"), Form(16000)
FMA = Case(librosa.load, NATIVE, 518, layout="fma")
COMPACT = Case(librosa.load, NATIVE, 103, layout="compact")
ESSENTIA = Case(essentia_family.load, STEREO, 1050)
EGEMAPS = Case(opensmile.load, SPEECH, 88, feature_set="eGeMAPSv02", level="functionals")
FUNCTIONALS = [
    EGEMAPS,
    Case(opensmile.load, SPEECH, 6373, feature_set="ComParE_2016", level="functionals"),
    Case(opensmile.load, SPEECH, 62, feature_set="GeMAPSv01b", level="functionals"),
    Case(opensmile.load, SPEECH, 988, feature_set="emobase", level="functionals"),
]
DESCRIPTORS = [
    Case(opensmile.load, SPEECH, 25, feature_set="eGeMAPSv02", level="lld"),
    Case(opensmile.load, SPEECH, 65, feature_set="ComParE_2016", level="lld"),
    Case(opensmile.load, SPEECH, 18, feature_set="GeMAPSv01b", level="lld"),
    Case(opensmile.load, SPEECH, 26, feature_set="emobase", level="lld"),
]
WHOLE = [FMA, COMPACT, ESSENTIA, *FUNCTIONALS]


def called(case: Case) -> str:
    return "-".join([case.load.__module__.rpartition(".")[2], *case.parameters.values()])


@cache
def demo(form: Form) -> tuple[np.ndarray, int]:
    recording = audio.decode(DEMO, [form])
    return recording.samples[form], form.sample_rate or recording.sample_rate


def noise(frames: int, channels: int | None = None) -> np.ndarray:
    shape = frames if channels is None else (frames, channels)
    return np.random.default_rng(frames).normal(0, 0.1, shape).astype(np.float32)


def by_name(output: Output) -> dict[str, float]:
    return dict(zip(output.names, output.values[0].tolist(), strict=True))


@pytest.mark.parametrize("case", WHOLE + DESCRIPTORS, ids=called)
def test_gives_float32_of_the_promised_length_with_a_name_for_each_column(case: Case) -> None:
    output = case.of_demo()

    assert output.values.dtype == np.float32
    assert output.times.dtype == np.float64
    assert output.values.shape == (len(output.times), case.dim)
    assert np.isfinite(output.values).all()
    assert len(set(output.names)) == len(output.names) == case.dim


@pytest.mark.parametrize("case", WHOLE, ids=called)
def test_a_whole_recording_gives_one_row_at_its_middle(case: Case) -> None:
    assert case.of_demo().times.tolist() == [6.0]


@pytest.mark.parametrize("case", WHOLE + DESCRIPTORS, ids=called)
def test_gives_the_same_again_whatever_came_between(case: Case) -> None:
    samples, rate = demo(case.form)
    embed = case.embed()
    first = embed(samples, rate)
    embed(noise(2 * rate, 2 if samples.ndim == 2 else None), rate)

    again = embed(samples, rate)

    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(case.of_demo().values, first.values)
    assert again.names == first.names


@pytest.mark.parametrize("case", WHOLE + DESCRIPTORS, ids=called)
def test_leaves_the_samples_as_they_were(case: Case) -> None:
    samples, rate = demo(case.form)
    before = samples.copy()

    case.embed()(samples, rate)

    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("module", ["librosa", "essentia", "opensmile"])
def test_the_library_is_imported_when_the_family_is_loaded_and_not_before(module: str) -> None:
    """And neither that nor the work prints a word."""
    case = {"librosa": FMA, "essentia": ESSENTIA, "opensmile": EGEMAPS}[module]
    channels = 2 if case.form.channels == "stereo" else None
    script = (
        f"import sys, importlib, numpy as np\n"
        f"family = importlib.import_module('modelctl.worker.families.{module}')\n"
        f"assert '{module}' not in sys.modules\n"
        f"embed = family.load('', {case.parameters})\n"
        f"samples = np.random.default_rng(0).normal(0, 0.1, (22050, {channels})[:{channels or 1}])\n"
        f"embed(samples.astype(np.float32), 44100)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", [librosa, essentia_family, opensmile], ids=lambda module: module.__name__)
def test_reads_under_python_3_7(module: Any) -> None:
    ast.parse(Path(module.__file__).read_text(), feature_version=(3, 7))


def test_fma_has_the_columns_of_features_csv_in_its_order() -> None:
    names = FMA.of_demo().names
    sizes = {name.split(".")[0]: 0 for name in names}
    for name in names:
        sizes[name.split(".")[0]] += 1

    assert {feature: size // 7 for feature, size in sizes.items()} == {
        "chroma_cens": 12,
        "chroma_cqt": 12,
        "chroma_stft": 12,
        "mfcc": 20,
        "rmse": 1,
        "spectral_bandwidth": 1,
        "spectral_centroid": 1,
        "spectral_contrast": 7,
        "spectral_rolloff": 1,
        "tonnetz": 6,
        "zcr": 1,
    }
    columns = [(feature, statistic, number) for feature, number, statistic in (name.split(".") for name in names)]
    assert columns == sorted(columns)
    assert names[:2] == ("chroma_cens.01.kurtosis", "chroma_cens.02.kurtosis")
    assert names[-1] == "zcr.01.std"


def test_fma_values_are_librosas_own() -> None:
    samples, rate = demo(NATIVE)
    values = by_name(FMA.of_demo())
    spectrum = np.abs(library.stft(samples, n_fft=2048, hop_length=512))
    mel = library.feature.melspectrogram(y=samples, sr=rate, n_fft=2048, hop_length=512)
    mfcc = library.feature.mfcc(S=library.power_to_db(mel), n_mfcc=20)
    cqt = np.abs(library.cqt(samples, sr=rate, hop_length=512, n_bins=84, bins_per_octave=12, tuning=None))
    cens = library.feature.chroma_cens(C=cqt, n_chroma=12, n_octaves=7, bins_per_octave=12)
    expected = {
        "mfcc.01.mean": mfcc[0].mean(),
        "mfcc.03.median": np.median(mfcc[2]),
        "mfcc.20.skew": stats.skew(mfcc[19].astype(float)),
        "zcr.01.max": library.feature.zero_crossing_rate(samples).max(),
        "spectral_centroid.01.std": library.feature.spectral_centroid(y=samples, sr=22050).std(),
        "spectral_bandwidth.01.min": library.feature.spectral_bandwidth(y=samples, sr=22050).min(),
        "spectral_rolloff.01.mean": library.feature.spectral_rolloff(y=samples, sr=22050).mean(),
        "spectral_contrast.07.kurtosis": stats.kurtosis(library.feature.spectral_contrast(S=spectrum)[6].astype(float)),
        "chroma_stft.10.mean": library.feature.chroma_stft(y=samples, sr=22050)[9].mean(),
        "chroma_cens.05.max": cens[4].max(),
        "tonnetz.02.std": library.feature.tonnetz(chroma=cens)[1].std(),
        "rmse.01.mean": np.sqrt((spectrum**2).mean(axis=0)).mean(),
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(float(value), rel=1e-4, abs=1e-6), name


def test_fma_reads_frequencies_as_though_the_rate_were_22050() -> None:
    """As FMA's script does, so that values can be compared with its published ones."""
    tone = np.sin(2 * np.pi * 2000 * np.arange(88200) / 44100).astype(np.float32)

    centroids = [
        by_name(case.embed()(tone, 44100))[name]
        for case, name in ((FMA, "spectral_centroid.01.median"), (COMPACT, "spectral_centroid.01.mean"))
    ]

    assert centroids[0] == pytest.approx(1000, rel=0.05)
    assert centroids[1] == pytest.approx(2000, rel=0.1)


def test_compact_values_are_librosas_own() -> None:
    samples, rate = demo(NATIVE)
    values = by_name(COMPACT.of_demo())
    expected = {
        "mfcc.03.mean": library.feature.mfcc(y=samples, sr=rate)[2].mean(),
        "tonnetz.06.std": library.feature.tonnetz(y=samples, sr=rate)[5].std(),
        "spectral_flatness.01.mean": library.feature.spectral_flatness(y=samples).mean(),
        "rms.01.std": library.feature.rms(S=np.abs(library.stft(samples))).std(),
        "tempo": library.feature.tempo(y=samples, sr=rate)[0],
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(float(value), rel=1e-4), name


@pytest.mark.parametrize("case", [FMA, COMPACT], ids=called)
@pytest.mark.parametrize("rate", [16000, 22050, 48000, 96000, 192000])
@pytest.mark.parametrize("kind", ["constant", "click", "tone", "noise", "silence"])
def test_librosa_gives_no_nan_where_a_row_never_changes(case: Case, rate: int, kind: str) -> None:
    samples = {
        "constant": np.full(rate, 0.5),
        "click": np.eye(1, rate, 7)[0],
        "tone": np.sin(2 * np.pi * 440 * np.arange(rate) / rate),
        "noise": noise(2048),
        "silence": np.zeros(rate),
    }[kind].astype(np.float32)

    output = case.embed()(samples, rate)

    assert output.values.shape == (1, case.dim)
    assert np.isfinite(output.values).all()


def test_a_row_that_never_changes_has_neither_skewness_nor_kurtosis() -> None:
    values = by_name(FMA.embed()(np.zeros(22050, np.float32), 22050))

    assert values["mfcc.01.mean"] == pytest.approx(-1131.37, abs=0.01)
    assert {values[f"mfcc.01.{statistic}"] for statistic in ("std", "skew", "kurtosis")} == {0.0}


@pytest.mark.parametrize(("case", "rate"), [(FMA, 8000), (COMPACT, 11025)], ids=["fma", "compact"])
def test_a_rate_too_low_for_librosas_bands_is_a_bad_input(case: Case, rate: int) -> None:
    with pytest.raises(BadInput, match=f"at {rate} Hz"):
        case.embed()(noise(rate), rate)


def extracted(path: Path) -> dict[str, Any]:
    names = ("lowlevelStats", "rhythmStats", "tonalStats", "mfccStats", "gfccStats")
    essentia.log.infoActive = False
    pool, _ = essentia.standard.MusicExtractor(**{name: ["mean", "stdev"] for name in names})(str(path))
    return {name: pool[name] for name in pool.descriptorNames()}


def test_essentia_gives_what_its_extractor_gives_for_a_file_on_disk(tmp_path: Path) -> None:
    samples, rate = demo(STEREO)
    soundfile.write(tmp_path / "demo.wav", samples, rate, subtype="FLOAT")
    values = by_name(ESSENTIA.of_demo())

    direct = extracted(tmp_path / "demo.wav")

    flat: dict[str, float] = {}
    for name, value in direct.items():
        if name.startswith("metadata.") or name == "rhythm.beats_position" or isinstance(value, str):
            continue
        if np.ndim(value) == 0:
            flat[name] = float(value)
        else:
            flat.update({f"{name}.{i:02d}": float(part) for i, part in enumerate(np.ravel(value), start=1)})
    assert values == {name: np.float32(value) for name, value in flat.items()}


def test_essentia_names_what_it_measures() -> None:
    values = by_name(ESSENTIA.of_demo())

    assert values["rhythm.bpm"] == pytest.approx(120, abs=1)
    assert {"lowlevel.mfcc.mean.01", "lowlevel.mfcc.stdev.13", "tonal.hpcp.mean.36"} <= set(values)
    assert not any(name.startswith(("metadata.", "rhythm.beats_position")) for name in values)


@pytest.mark.parametrize("seconds", [0.1, 0.5, 3, 30])
def test_essentia_gives_1050_values_however_long_the_recording_is(seconds: float) -> None:
    embed = ESSENTIA.embed()

    output = embed(noise(round(seconds * 44100), 2), 44100)

    assert output.values.shape == (1, 1050)
    assert output.names == ESSENTIA.of_demo().names
    assert output.times.tolist() == [pytest.approx(seconds / 2)]


@pytest.mark.parametrize("quiet", [0.0, 1e-7])
def test_what_essentia_takes_for_silence_is_a_bad_input(quiet: float) -> None:
    with pytest.raises(BadInput, match="takes it for silence"):
        ESSENTIA.embed()(quiet * noise(44100, 2), 44100)


def test_another_essentia_that_gives_other_descriptors_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(essentia_family, "STATISTICS", ["mean"])

    with pytest.raises(BadWeights, match="this Essentia gives 691 values and not 1050"):
        ESSENTIA.of_demo()


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process writes to disks")
def test_essentias_samples_stay_off_the_disk() -> None:
    embed, (samples, rate) = ESSENTIA.embed(), demo(STEREO)
    before = bytes_written()

    embed(samples, rate)

    assert bytes_written() - before < samples.nbytes / 10


def bytes_written() -> int:
    return int(Path("/proc/self/io").read_text().split("\nwrite_bytes: ")[1].split()[0])


@pytest.mark.parametrize("case", DESCRIPTORS, ids=called)
def test_descriptors_come_every_ten_milliseconds_to_the_end(case: Case) -> None:
    times = case.of_demo().times

    np.testing.assert_allclose(np.diff(times), 0.010)
    assert 0.01 < times[0] < 0.04
    assert 12 - 0.05 < times[-1] <= 12


@pytest.mark.parametrize(
    ("case", "column"),
    [
        (DESCRIPTORS[0], "F0semitoneFrom27.5Hz_sma3nz"),
        (DESCRIPTORS[1], "voicingFinalUnclipped_sma"),
        (DESCRIPTORS[2], "HNRdBACF_sma3nz"),
        (DESCRIPTORS[3], "voiceProb_sma"),
    ],
    ids=lambda value: called(value) if isinstance(value, Case) else value,
)
@pytest.mark.parametrize("middle", [1.503, 2.111])
def test_the_time_of_a_descriptor_is_the_middle_of_what_its_longest_frame_heard(
    case: Case, column: str, middle: float
) -> None:
    t = np.arange(4 * 16000) / 16000
    voice = sum(0.2 * np.sin(2 * np.pi * 200 * harmonic * t) / harmonic for harmonic in range(1, 8))
    samples = (voice * (np.abs(t - middle) < 0.15) + 1e-3 * noise(len(t))).astype(np.float32)

    output = case.embed()(samples, 16000)

    pitch = output.values[:, output.names.index(column)]
    rest, sung = np.median(pitch[:50]), pitch[round(middle * 100) - 3]
    heard = output.times[np.abs(pitch - rest) > abs(sung - rest) / 2]
    heard = heard[np.abs(heard - middle) < 0.3]
    assert (heard[0] + heard[-1]) / 2 == pytest.approx(middle, abs=0.011)


def test_opensmile_gives_what_its_wrapper_gives() -> None:
    samples, rate = demo(SPEECH)

    table = wrapper.Smile(feature_set=wrapper.FeatureSet.eGeMAPSv02).process_signal(samples, rate)

    output = EGEMAPS.of_demo()
    assert output.names == tuple(table.columns)
    np.testing.assert_array_equal(output.values, table.to_numpy())


@pytest.mark.parametrize("case", [*FUNCTIONALS, *DESCRIPTORS], ids=called)
def test_a_recording_too_short_for_opensmile_is_a_bad_input(case: Case) -> None:
    with pytest.raises(BadInput, match=r"0\.010 s are too short for openSMILE"):
        case.embed()(noise(160), 16000)


@pytest.mark.music
@pytest.mark.parametrize("case", [FMA, COMPACT, ESSENTIA, EGEMAPS], ids=called)
def test_features_of_real_music_are_finite_and_tell_tracks_apart(case: Case) -> None:
    chosen = [path for path in tracks() if path.suffix == ".mp3" or path.stem in {"Awakening", "Chimes They Fade"}]
    rows = []
    for path in chosen:
        recording = audio.decode(path, [case.form])
        rate = case.form.sample_rate or recording.sample_rate
        samples = recording.samples[case.form][: 20 * rate]
        rows.append(case.embed()(samples, rate).values[0])

    assert len(rows) == 5
    assert np.isfinite(rows).all()
    assert all(math.dist(one, other) > 0.1 for i, one in enumerate(rows) for other in rows[:i])
