"""The unified call: from Python and from the command line, for one recording and for a library."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import music
import numpy as np
import pytest
import soundfile
from conftest import Modelctl
from shelves import put, toy_file, toy_manifest

import modelctl as package
from modelctl.errors import AudioError, EnvironmentFailure, IntegrityFailure, NotReady, UsageError
from modelctl.features import Features, load_features

CLIP = Path(__file__).parent / "audio" / "demo.flac"
LIBRARIES = {"librosa": 518, "essentia": 1050, "opensmile": 88}


@pytest.fixture
def musicnn(shelf: Path, musicnn_folder: Path) -> Path:
    """A shelf on which Musicnn lies."""
    shutil.copytree(musicnn_folder, shelf / "Musicnn")
    return shelf


def same(one: Features, other: Features) -> None:
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.times, other.times)
    assert np.array_equal(one.clip, other.clip)


@pytest.mark.parametrize(("name", "dim"), LIBRARIES.items())
@pytest.mark.usefixtures("shelf")
def test_a_library_gives_one_named_vector(name: str, dim: int) -> None:
    features = package.extract(name, CLIP)

    assert features.values.shape == (1, dim)
    assert features.values.dtype == features.clip.dtype == np.float32
    assert features.times == pytest.approx([6.0], abs=0.01)
    assert len(set(features.names)) == dim
    assert np.array_equal(features.clip, features.values[0])
    assert features.provenance["weights"] == {}


@pytest.mark.usefixtures("musicnn")
def test_musicnn_gives_a_vector_every_three_seconds() -> None:
    features = package.extract("musicnn", CLIP)

    assert features.values.shape == (4, 753)
    assert np.diff(features.times) == pytest.approx([187 * 256 / 16000] * 3)
    assert features.clip == pytest.approx(features.values.mean(axis=0), abs=1e-5)


@pytest.mark.usefixtures("musicnn")
def test_a_path_a_file_and_samples_give_the_same() -> None:
    samples, rate = soundfile.read(CLIP, dtype="float32")
    by_path = package.extract("musicnn", str(CLIP))

    with CLIP.open("rb") as stream:
        same(package.extract("musicnn", stream), by_path)
    same(package.extract("musicnn", io.BytesIO(CLIP.read_bytes())), by_path)
    same(package.extract("musicnn", (samples, rate)), by_path)


@pytest.mark.usefixtures("musicnn")
def test_a_warm_model_gives_what_a_cold_one_gives(tmp_path: Path) -> None:
    samples, rate = soundfile.read(CLIP, dtype="float32")
    soundfile.write(tmp_path / "second.wav", samples[: 5 * rate] * 0.5, rate)
    paths = [CLIP, tmp_path / "second.wav", CLIP]

    with package.open("musicnn", layer="taggram") as session:
        warm = list(session.map(paths))

    for path, features in zip(paths, warm, strict=True):
        same(features, package.extract("musicnn", path, layer="taggram"))


@pytest.mark.usefixtures("musicnn")
def test_what_ran_is_recorded() -> None:
    provenance = package.extract("musicnn", CLIP, layer="taggram", parameters={"checkpoint": "MSD_vgg"}).provenance

    assert provenance["model"] == "musicnn"
    assert provenance["layer"] == "taggram"
    assert provenance["parameters"] == {"checkpoint": "MSD_vgg"}
    assert provenance["weights"]["MSD_vgg.safetensors"].startswith("6e8f7f8c6580")
    assert provenance["audio"]["seconds"] == pytest.approx(12.0)
    assert len(provenance["audio"]["sha256"]) == 64
    assert {"modelctl", "python", "numpy", "torch"} <= set(provenance["versions"])


@pytest.mark.usefixtures("musicnn")
def test_a_closed_session_says_so() -> None:
    with package.open("musicnn") as session:
        pass

    with pytest.raises(package.errors.ModelctlError, match="the session is closed"):
        session.extract(CLIP)


def test_features_are_the_same_after_a_trip_to_the_disk(tmp_path: Path) -> None:
    features = package.extract("opensmile", CLIP)

    back = load_features(features.save(tmp_path / "deep" / "features.npz"))

    same(back, features)
    assert back.names == features.names
    assert back.provenance == features.provenance
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["features.npz"]


def test_a_file_that_holds_no_features_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", values=np.zeros(3))

    with pytest.raises(IntegrityFailure, match=r"other.npz holds no features"):
        load_features(tmp_path / "other.npz")


@pytest.mark.usefixtures("musicnn")
def test_an_npz_holds_what_the_contract_says(tmp_path: Path, modelctl: Modelctl) -> None:
    answer = modelctl("extract", CLIP, "--model", "musicnn,opensmile", "--out", tmp_path / "out", "--json")
    done = json.loads(answer.out)

    assert answer.code == 0
    assert (done["done"], done["failed"], done["out"]) == (2, [], str(tmp_path / "out"))
    assert done["audio_seconds"] == pytest.approx(12.0)
    with np.load(tmp_path / "out" / "musicnn" / "demo.flac.npz", allow_pickle=False) as held:
        assert set(held) == {"values", "times", "clip", "provenance"}
        assert json.loads(str(held["provenance"]))["model"] == "musicnn"
    with np.load(tmp_path / "out" / "opensmile" / "demo.flac.npz", allow_pickle=False) as held:
        assert len(held["names"]) == 88


@pytest.mark.usefixtures("shelf")
def test_one_bad_recording_does_not_cost_the_others(tmp_path: Path, modelctl: Modelctl) -> None:
    library = tmp_path / "library"
    shutil.copy(CLIP, put(library / "a" / "good.flac", b""))
    put(library / "b" / "noise.wav", b"this is no sound" * 100)
    put(library / "notes.txt", b"left alone")

    answer = modelctl("extract", library, "--model", "opensmile", "--out", tmp_path / "out", "--json")
    result = json.loads(answer.out)

    assert (answer.code, result["error"]["kind"]) == (9, "partial")
    assert result["done"] == 1
    assert [(Path(one["path"]).name, one["model"]) for one in result["failed"]] == [("noise.wav", "opensmile")]
    assert (tmp_path / "out" / "opensmile" / "a" / "good.flac.npz").is_file()


@pytest.mark.usefixtures("shelf")
def test_every_failure_is_listed_for_a_person(tmp_path: Path, modelctl: Modelctl) -> None:
    bad = put(tmp_path / "noise.wav", b"this is no sound" * 100)

    answer = modelctl("extract", bad, CLIP, "--model", "opensmile", "--out", tmp_path / "out")

    assert answer.code == 9
    assert "1 of 2 failed" in answer.err
    assert "noise.wav" in answer.err


@pytest.mark.usefixtures("musicnn")
def test_all_stands_for_every_model_that_is_ready(tmp_path: Path, modelctl: Modelctl) -> None:
    answer = modelctl("extract", CLIP, "--model", "all", "--out", tmp_path, "--level", "clip", "--json")

    assert answer.code == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"musicnn", *LIBRARIES}
    assert load_features(tmp_path / "musicnn" / "demo.flac.npz").values.shape == (1, 753)


@pytest.mark.usefixtures("shelf")
def test_a_folder_without_recordings_is_named(tmp_path: Path, modelctl: Modelctl) -> None:
    (tmp_path / "empty").mkdir()

    answer = modelctl("extract", tmp_path / "empty", "--model", "opensmile", "--out", tmp_path / "out")

    assert answer.code == 2
    assert "no recordings in this folder" in answer.err


@pytest.mark.usefixtures("musicnn")
def test_a_recording_too_short_for_a_model_says_how_much_it_needs(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.full(16000, 0.1), 16000)

    with pytest.raises(AudioError, match=r"short.wav: 1.000 s, and musicnn needs 2.976 s"):
        package.extract("musicnn", tmp_path / "short.wav")


def test_another_models_weights_are_refused(musicnn: Path) -> None:
    shutil.copy(musicnn / "Musicnn" / "MSD_vgg.safetensors", musicnn / "Musicnn" / "MTT_vgg.safetensors")
    put(musicnn / "Musicnn" / "MTT_musicnn.safetensors", b"\0" * 3_174_132)

    with pytest.raises(IntegrityFailure, match=r"MTT_musicnn.safetensors"):
        package.extract("musicnn", CLIP)


@pytest.mark.usefixtures("shelf")
def test_a_model_that_is_absent_says_how_to_get_it() -> None:
    with pytest.raises(NotReady, match="musicnn is absent") as caught:
        package.open("musicnn")

    assert caught.value.hint == "modelctl fetch musicnn"


@pytest.mark.usefixtures("musicnn")
def test_a_layer_that_a_checkpoint_lacks_is_answered_with_those_it_has() -> None:
    with pytest.raises(UsageError, match="MTT_vgg has no layer 'timbral'"):
        package.open("musicnn", layer="timbral", parameters={"checkpoint": "MTT_vgg"})


def test_a_family_that_dies_on_import_is_an_environment_failure(
    tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"weights"
    toy_manifest(tmp_path, toy_file("toy.pth", content, "https://example.org/toy.bin"), family="librosa")
    put(shelf / "Toy" / "toy.pth", content)
    put(tmp_path / "broken" / "librosa.py", b"raise ImportError('libfoo.so is missing')")
    monkeypatch.setenv("MODELCTL_MANIFESTS", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    for name in [name for name in __import__("sys").modules if name.split(".")[0] == "librosa"]:
        monkeypatch.delitem(__import__("sys").modules, name)

    with pytest.raises(EnvironmentFailure, match=r"libfoo.so is missing"):
        package.open("toy")


@pytest.mark.usefixtures("musicnn")
def test_a_tagger_shows_its_tags_and_others_a_picture(modelctl: Modelctl) -> None:
    tags = modelctl("run", "musicnn", CLIP).out
    picture = modelctl("run", "musicnn", CLIP, "--layer", "timbral").out
    named = modelctl("run", "opensmile", CLIP).out

    assert "guitar" in tags
    assert "█" in tags
    assert "748 × 408" in picture
    assert len(picture.splitlines()) == 10
    assert "88 values, one vector for 12.00 s" in named


@pytest.mark.usefixtures("musicnn")
def test_run_saves_to_a_file(tmp_path: Path, modelctl: Modelctl) -> None:
    answer = modelctl("run", "musicnn", CLIP, "--out", tmp_path / "one.npz")

    assert answer.code == 0
    assert load_features(tmp_path / "one.npz").values.shape == (4, 753)


@pytest.mark.music
@pytest.mark.usefixtures("musicnn")
def test_the_tags_of_real_music_look_sane() -> None:
    """Electronic game music and techno must not be heard as opera."""
    with package.open("musicnn", layer="taggram") as session:
        for path in music.tracks()[::6]:
            features = session.extract(path)
            best = [features.names[at] for at in features.clip.argsort()[::-1][:5]]
            assert {"electronic", "techno", "synth", "beat", "beats", "drums", "fast", "ambient"} & set(best), path
            assert "opera" not in best


@pytest.mark.root
@pytest.mark.usefixtures("shelf")
def test_a_full_disk_is_no_space_and_leaves_nothing(tmp_path: Path, modelctl: Modelctl) -> None:
    disk = tmp_path / "tiny"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=True)
    try:
        answer = modelctl("run", "opensmile", CLIP, "--param", "level=lld", "--out", disk / "one.npz", "--json")
        left = list(disk.iterdir())
    finally:
        subprocess.run(["umount", disk], check=True)

    assert (answer.code, json.loads(answer.out)["error"]["kind"]) == (3, "no-space")
    assert left == []


@pytest.mark.usefixtures("shelf")
def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    command = [sys.executable, "-m", "modelctl", "info", "musicnn"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env={**os.environ})
    os.close(writer)

    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.usefixtures("musicnn")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_is_said_and_keeps_what_was_done(tmp_path: Path, signal_number: int) -> None:
    library, out = tmp_path / "library", tmp_path / "out"
    for number in range(200):
        put(library / f"{number:03d}.flac", CLIP.read_bytes())
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "modelctl",
        "extract",
        library,
        "--model",
        "opensmile",
        "--out",
        out,
        "--json",
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    while not list(out.rglob("*.npz")):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal_number)
    said, _complained = running.communicate(timeout=60)

    assert running.returncode == 130
    assert json.loads(said)["error"]["kind"] == "interrupted"
    kept = list(out.rglob("*"))
    assert not [path for path in kept if path.name.endswith(".part")]
    assert all(load_features(path).dim == 88 for path in kept if path.is_file())


@pytest.mark.usefixtures("shelf")
def test_recordings_that_would_share_a_name_are_refused(tmp_path: Path, modelctl: Modelctl) -> None:
    for album in ("a", "b"):
        put(tmp_path / album / "01.flac", CLIP.read_bytes())
    words = ["--model", "opensmile", "--out", tmp_path / "out", "--json"]

    clash = modelctl("extract", tmp_path / "a" / "01.flac", tmp_path / "b" / "01.flac", *words)
    twice = modelctl("extract", tmp_path / "a", tmp_path / "a" / "01.flac", *words)

    assert clash.code == 2
    assert "would both be saved as 01.flac" in json.loads(clash.out)["error"]["message"]
    assert json.loads(twice.out)["done"] == 1


@pytest.mark.usefixtures("shelf")
def test_run_shows_the_good_one_beside_the_bad_one(tmp_path: Path, modelctl: Modelctl) -> None:
    bad = put(tmp_path / "noise.wav", b"this is no sound" * 100)

    answer = modelctl("run", "opensmile", CLIP, bad)
    both = json.loads(modelctl("run", "opensmile", CLIP, bad, "--json").out)

    assert answer.code == 9
    assert "88 values" in answer.out
    assert "noise.wav" in answer.err
    assert [Path(one["path"]).name for one in both["recordings"]] == ["demo.flac"]
    assert [Path(one["path"]).name for one in both["failed"]] == ["noise.wav"]


def test_weights_that_changed_under_their_name_are_refused(musicnn: Path) -> None:
    path = musicnn / "Musicnn" / "MTT_musicnn.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(IntegrityFailure, match="does not have the sha256 of its manifest"):
        package.open("musicnn")


@pytest.mark.usefixtures("shelf")
def test_channels_that_cancel_out_are_not_taken_for_music() -> None:
    left = np.sin(np.arange(32_000) / 10).astype(np.float32)

    with pytest.raises(AudioError, match="its channels cancel each other out"):
        package.extract("opensmile", (np.stack([left, -left], axis=1), 16_000))


@pytest.mark.usefixtures("shelf")
def test_a_single_one_may_go_to_a_file(tmp_path: Path, modelctl: Modelctl) -> None:
    out = tmp_path / "deep" / "one.npz"

    alone = modelctl("extract", CLIP, "--model", "opensmile", "--out", out)
    two = modelctl("extract", CLIP, "--model", "opensmile,librosa", "--out", tmp_path / "two.npz")

    assert alone.code == 0
    assert load_features(out).dim == 88
    assert two.code == 2
    assert "holds one recording through one model" in two.err
