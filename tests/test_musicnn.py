from __future__ import annotations

import ast
import hashlib
import shutil
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import safetensors.numpy
from signals import RATE, SIGNALS

import modelctl.worker
from modelctl.worker import musicnn_tags
from modelctl.worker.families import musicnn
from modelctl.worker.protocol import BadInput, BadWeights, Output
from modelctl.worker.spectrogram import HOP, frame_count, log_mel, slaney_mel

GOLDEN = Path(__file__).parent / "golden" / "musicnn.npz"
ROWS, COLUMNS = 29, 17
"""Of a layer with a row for each frame, every so many are kept among the golden numbers."""
WINDOW = musicnn.WINDOW * HOP
"""Samples from one window to the next."""

EVERY_LAYER = [
    pytest.param(checkpoint, layer, id=f"{checkpoint}-{layer}")
    for checkpoint in musicnn.CHECKPOINTS
    for layer in musicnn.LAYERS[checkpoint.split("_")[1]]
]


@cache
def samples(clip: str) -> np.ndarray:
    return SIGNALS[clip]().astype(np.float32) / 32768


@cache
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def embed(folder: Path, audio: np.ndarray, checkpoint: str = "MTT_musicnn", layer: str = "taggram") -> Output:
    return musicnn.load(str(folder), {"checkpoint": checkpoint, "layer": layer})(audio, RATE)


@pytest.mark.parametrize("clip", SIGNALS)
def test_the_recordings_are_those_that_the_golden_numbers_were_taken_from(clip: str) -> None:
    sha256 = hashlib.sha256(SIGNALS[clip]().astype("<i2").tobytes()).hexdigest()

    assert sha256 == golden()[f"{clip}/sha256"]


@pytest.mark.parametrize("clip", SIGNALS)
def test_the_log_mel_is_that_of_the_original(clip: str) -> None:
    found = log_mel(samples(clip))

    # A power that lies between two numbers of float16 may be rounded to the other one: 4e-4 after the logarithm.
    np.testing.assert_allclose(found[::ROWS, ::COLUMNS], golden()[f"{clip}/log_mel"], atol=5e-4, rtol=0)
    np.testing.assert_allclose([found.mean(), found.std()], golden()[f"{clip}/log_mel/moments"], rtol=1e-6)


@pytest.mark.parametrize(("checkpoint", "layer"), EVERY_LAYER)
def test_every_layer_is_that_of_the_original(checkpoint: str, layer: str, musicnn_folder: Path) -> None:
    """TensorFlow 1.15 computed the golden numbers, each window as if it were the first."""
    embedder = musicnn.load(str(musicnn_folder), {"checkpoint": checkpoint, "layer": layer})
    for clip in SIGNALS:
        values, times, names = embedder(samples(clip), RATE)

        windows = frame_count(samples(clip)) // 187
        about = musicnn.LAYERS[checkpoint.split("_")[1]][layer]
        assert values.shape == (windows * about.rows, about.dim)
        assert times.shape == (windows * about.rows,)
        assert (str(values.dtype), str(times.dtype)) == ("float32", "float64")
        assert len(names) == (50 if layer == "taggram" else 0)
        compare(values, f"{clip}/{checkpoint}/{layer}")


def compare(values: np.ndarray, key: str) -> None:
    expected = golden()[key]
    if f"{key}/moments" in golden():
        mean, deviation = golden()[f"{key}/moments"]
        np.testing.assert_allclose([values.mean(), values.std()], [mean, deviation], rtol=0, atol=1e-5 * deviation)
        # Single values show it where a power was rounded to the other neighbour in float16.
        np.testing.assert_allclose(values[::ROWS, ::COLUMNS], expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    elif key.endswith("taggram"):
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)
    else:
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)


def test_the_numbers_of_the_fact_sheet_hold(musicnn_folder: Path) -> None:
    audio = samples("tones")
    taggram = embed(musicnn_folder, audio).values
    max_pool = embed(musicnn_folder, audio, layer="max_pool").values
    mean_pool = embed(musicnn_folder, audio, layer="mean_pool").values

    assert (taggram.shape, max_pool.shape, mean_pool.shape) == ((3, 50), (3, 753), (3, 753))
    np.testing.assert_allclose(taggram[0, :4], [4.98070e-02, 1.15335e-05, 7.64143e-02, 5.76101e-02], atol=1e-6)
    assert log_mel(audio).mean() == pytest.approx(0.343536, abs=1e-6)
    assert max_pool.mean() == pytest.approx(4.156767, abs=1e-5)
    assert mean_pool.mean() == pytest.approx(0.655464, abs=1e-5)


def test_columns_of_tags_have_names(musicnn_folder: Path) -> None:
    mtt = embed(musicnn_folder, samples("tones"), "MTT_vgg").names
    msd = embed(musicnn_folder, samples("tones"), "MSD_musicnn").names

    assert (mtt, msd) == (musicnn_tags.MTT, musicnn_tags.MSD)
    assert (mtt[0], mtt[17], mtt[49]) == ("guitar", "opera", "choral")
    assert (msd[0], msd[5], msd[49]) == ("rock", "female vocalists", "happy")
    assert (len(set(mtt)), len(set(msd))) == (50, 50)


def test_the_loud_recording_is_one_that_float16_alone_would_overflow_on() -> None:
    powers = (10 ** log_mel(samples("loud")) - 1) / 10000

    assert powers.max(axis=1).min() > 65504 / 10000


@pytest.mark.parametrize("amplitude", [1e6, 1e30, float(np.finfo(np.float32).max)])
def test_no_amplitude_overflows(amplitude: float, musicnn_folder: Path) -> None:
    audio = np.float32(amplitude) * samples("loud")

    heard, taggram = log_mel(audio), embed(musicnn_folder, audio).values

    assert heard.max() == pytest.approx(np.log10(65504.0 * 10000 + 1))
    assert np.isfinite(taggram).all()


def test_silence_gives_tags(musicnn_folder: Path) -> None:
    taggram = embed(musicnn_folder, np.zeros(RATE * 3, np.float32)).values

    assert np.isfinite(taggram).all()


@pytest.mark.parametrize(("checkpoint", "layer"), [("MTT_musicnn", "penultimate"), ("MSD_vgg", "pool5")])
def test_a_window_is_the_same_whatever_it_is_computed_with(checkpoint: str, layer: str, musicnn_folder: Path) -> None:
    audio = np.concatenate([samples(clip) for clip in ("music", "loud", "tones", "music")])
    rows = musicnn.LAYERS[checkpoint.split("_")[1]][layer].rows
    whole = embed(musicnn_folder, audio, checkpoint, layer).values

    assert len(whole) == 10 * rows
    for windows in (1, 2, 8, 9):
        start = embed(musicnn_folder, audio[: windows * WINDOW], checkpoint, layer).values
        np.testing.assert_allclose(start, whole[: windows * rows], atol=2e-5)
    assert np.abs(np.diff(whole[::rows], axis=0)).max(axis=1).min() > 0.01


def test_times_are_the_centres_of_what_a_row_heard(musicnn_folder: Path) -> None:
    frame = HOP / RATE

    def times(checkpoint: str, layer: str) -> np.ndarray:
        return embed(musicnn_folder, samples("music"), checkpoint, layer).times / frame

    np.testing.assert_allclose(times("MTT_musicnn", "max_pool"), [93, 280])
    np.testing.assert_allclose(times("MTT_musicnn", "temporal"), np.arange(374))
    np.testing.assert_allclose(times("MTT_vgg", "taggram"), [93, 280])
    np.testing.assert_allclose(times("MTT_vgg", "pool1")[[0, 1, 91, 92]], [1.5, 3.5, 183.5, 188.5])
    np.testing.assert_allclose(times("MTT_vgg", "pool2")[[0, 1, 45, 46]], [2.5, 6.5, 182.5, 189.5])
    np.testing.assert_allclose(times("MTT_vgg", "pool3")[[0, 1, 22, 23]], [4.5, 12.5, 180.5, 191.5])
    np.testing.assert_allclose(times("MTT_vgg", "pool4")[[0, 1, 10, 11]], [8.5, 24.5, 168.5, 195.5])
    np.testing.assert_allclose(times("MTT_vgg", "pool5"), [32.5, 96.5, 219.5, 283.5])


def test_one_window_is_the_least(musicnn_folder: Path) -> None:
    assert len(embed(musicnn_folder, samples("tones")[:47_616]).values) == 1
    with pytest.raises(BadInput, match=r"needs 47616 samples at 16000 Hz \(2.976 s\), and it has 47615"):
        embed(musicnn_folder, samples("tones")[:47_615])


def test_a_rest_shorter_than_a_window_is_left_out(musicnn_folder: Path) -> None:
    two_windows = (2 * 187 - 1) * HOP

    assert len(embed(musicnn_folder, samples("tones")[:two_windows]).values) == 2
    assert len(embed(musicnn_folder, samples("tones")[: two_windows - 1]).values) == 1


@pytest.mark.parametrize("sample", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(sample: float, musicnn_folder: Path) -> None:
    audio = samples("tones").copy()
    audio[100_000] = sample

    with pytest.raises(BadInput, match="not finite"):
        embed(musicnn_folder, audio)


def test_another_rate_is_refused(musicnn_folder: Path) -> None:
    embedder = musicnn.load(str(musicnn_folder), {"checkpoint": "MTT_vgg", "layer": "taggram"})

    with pytest.raises(BadInput, match="16000 Hz, and this recording comes at 44100 Hz"):
        embedder(samples("tones"), 44_100)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"checkpoint": "MSD_musicnn_big", "layer": "taggram"},
            "no checkpoint 'MSD_musicnn_big'; it has MTT_musicnn, ",
        ),
        ({"checkpoint": "MTT_vgg", "layer": "timbral"}, "MTT_vgg has no layer 'timbral'; it has taggram, pool1, "),
        (
            {"checkpoint": "MSD_musicnn", "layer": "pool1"},
            "no layer 'pool1'; it has taggram, timbral, temporal, cnn1, ",
        ),
    ],
)
def test_a_word_that_is_unknown_is_answered_with_the_known_ones(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        musicnn.load("nowhere", parameters)


def test_another_checkpoint_under_the_name_is_refused(musicnn_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "MTT_musicnn.safetensors"
    shutil.copy(musicnn_folder / "MTT_vgg.safetensors", path)

    with pytest.raises(
        BadWeights, match=f"^{path}: not this checkpoint: conv2d/kernel is missing, .* and [0-9]+ more$"
    ):
        embed(tmp_path, samples("tones"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dense/bias": None}, "dense/bias is missing"),
        ({"dense/extra": np.zeros(1, np.float32)}, "dense/extra is not expected"),
        ({"dense/bias": np.zeros(51, np.float32)}, r"dense/bias is torch.float32 \(51,\) instead of .* \(50,\)"),
        ({"dense/bias": np.zeros(50)}, r"dense/bias is torch.float64 \(50,\) instead of torch.float32 \(50,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    change: dict[str, Any], message: str, musicnn_folder: Path, tmp_path: Path
) -> None:
    tensors = safetensors.numpy.load_file(musicnn_folder / "MTT_vgg.safetensors") | change
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    path = tmp_path / "MTT_vgg.safetensors"
    safetensors.numpy.save_file(kept, path)

    with pytest.raises(BadWeights, match=f"^{path}: not this checkpoint: {message}$"):
        embed(tmp_path, samples("tones"), "MTT_vgg")


@pytest.mark.parametrize("content", [None, b"", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_safetensors_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "MTT_vgg.safetensors"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadWeights, match=f"^{path}: cannot be read as safetensors: "):
        embed(tmp_path, samples("tones"), "MTT_vgg")


@pytest.mark.parametrize(
    ("rate", "n_fft", "bands", "low", "high"),
    [(16000, 512, 96, 0, 8000), (22050, 2048, 128, 0, 11025), (16000, 400, 64, 125, 7500), (44100, 1024, 20, 50, 900)],
)
def test_the_mel_filters_are_librosas(rate: int, n_fft: int, bands: int, low: float, high: float) -> None:
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands, fmin=low, fmax=high, dtype=np.float64)

    np.testing.assert_allclose(slaney_mel(rate, n_fft, bands, low, high), expected, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("length", [257, 511, 512, 513, 7_680, 7_681])
def test_a_spectrogram_in_stretches_is_the_whole_one(length: int) -> None:
    audio = samples("music")[20_000 : 20_000 + length]
    whole = log_mel(audio)

    assert whole.shape == (1 + length // 256, 96)
    for step in (1, 2, 7):
        stretches = [log_mel(audio, at, min(at + step, len(whole))) for at in range(0, len(whole), step)]
        np.testing.assert_allclose(np.concatenate(stretches), whole, atol=1e-6, rtol=0)


def test_memory_does_not_grow_with_the_recording() -> None:
    audio = np.zeros(3 * 3600 * RATE, np.float32)
    tracemalloc.start()
    try:
        log_mel(audio, 600_000, 600_000 + 8 * 187)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 64 << 20


@pytest.mark.parametrize(
    "path", sorted(Path(modelctl.worker.__file__).parent.rglob("*.py")), ids=lambda path: path.name
)
def test_the_worker_is_readable_by_python_3_7(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
