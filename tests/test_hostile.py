"""What somebody else's manifest, file name or flag must not be able to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Modelctl
from shelves import put, toy_file, toy_manifest

import modelctl as package

CLIP = Path(__file__).parent / "audio" / "demo.flac"
WEIGHTS = b"weights"
SOURCE = "https://example.org/toy.bin"


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("module", ["evil.x", "..x", "a b", "-m", "a/b"])
def test_a_manifest_cannot_have_a_module_imported(mine: Path, module: str, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", WEIGHTS, SOURCE), rest=f"environment: {{packages: ['{module}']}}\n")

    answer = modelctl("status")

    assert answer.code == 2
    assert f"environment.packages[0]: {module!r} is no top-level module" in answer.err


def test_a_manifest_cannot_take_another_models_file(mine: Path, shelf: Path, modelctl: Modelctl) -> None:
    toy_manifest(
        mine,
        toy_file("toy.pth", WEIGHTS, SOURCE, formerly="[pytorch_model.pth]"),
        location="MERT/MERT-v1-330M/",
    )
    theirs = put(shelf / "MERT" / "MERT-v1-330M" / "pytorch_model.pth", WEIGHTS)

    answer = modelctl("fetch", "toy")

    assert answer.code == 2
    assert "belongs to mert already" in answer.err
    assert theirs.read_bytes() == WEIGHTS


@pytest.mark.usefixtures("shelf")
def test_a_pipe_or_an_endless_device_is_no_manifest(mine: Path, modelctl: Modelctl) -> None:
    os.mkfifo(mine / "pipe.yaml")
    assert "pipe.yaml: no regular file" in modelctl("list").err

    (mine / "pipe.yaml").unlink()
    (mine / "zero.yaml").symlink_to("/dev/zero")
    assert "zero.yaml: no regular file" in modelctl("list").err


@pytest.mark.usefixtures("shelf")
def test_an_editors_lock_beside_a_manifest_is_passed_over(mine: Path, modelctl: Modelctl) -> None:
    (mine / ".#toy.yaml").symlink_to("somebody@nowhere.123")
    put(mine / "._toy.yaml", b"\0\5\x16\7")

    assert modelctl("list").code == 0


@pytest.mark.usefixtures("shelf")
def test_words_of_a_manifest_are_neither_obeyed_nor_taken_for_markup(mine: Path, modelctl: Modelctl) -> None:
    path = toy_manifest(mine, toy_file("toy.pth", WEIGHTS, SOURCE))
    text = path.read_text().replace("title: A toy", r'title: "\e]0;x\a\e[31mRED"')
    path.write_text(text.replace("best_for: tests", 'best_for: "see [/docs] and [beta]"'))

    told = modelctl("info", "toy")

    assert told.code == 0
    assert "see [/docs] and [beta]" in told.out
    assert r"\x1b[31mRED" in told.out
    assert "\x1b" not in told.out + modelctl("list").out


@pytest.mark.usefixtures("shelf")
def test_names_of_recordings_are_neither_obeyed_nor_taken_for_markup(tmp_path: Path, modelctl: Modelctl) -> None:
    song = put(tmp_path / "t\x1b[31mr[/x].flac", CLIP.read_bytes())

    heard = modelctl("run", "opensmile", song)
    saved = modelctl("extract", song, "--model", "opensmile", "--out", tmp_path / "f [live] [/x]")
    gone = modelctl("run", "opensmile", tmp_path / "a\x1b[2Jb.flac")

    assert (heard.code, saved.code, gone.code) == (0, 0, 2)
    assert "\x1b" not in heard.out + saved.out + gone.err
    assert "f [live] [/x]" in saved.out


@pytest.mark.usefixtures("shelf")
def test_run_replaces_features_and_nothing_else(tmp_path: Path, modelctl: Modelctl) -> None:
    song = put(tmp_path / "song.flac", CLIP.read_bytes())
    link = tmp_path / "link.npz"
    link.symlink_to(song)
    own = tmp_path / "own.npz"

    codes = [modelctl("run", "opensmile", CLIP, "--out", out).code for out in (song, link, "/dev/null", own, own)]

    assert codes == [2, 2, 2, 0, 0]
    assert song.read_bytes() == CLIP.read_bytes()
    assert Path("/dev/null").is_char_device()


@pytest.mark.usefixtures("shelf")
def test_sound_above_full_scale_does_not_wrap_around_in_opensmile() -> None:
    times = np.arange(80_000) / 16_000
    sine = (np.sin(2 * np.pi * 220 * times) * np.linspace(0.5, 1, 80_000)).astype(np.float32)

    loud = package.extract("opensmile", (2 * sine, 16_000))
    clipped = package.extract("opensmile", (np.clip(2 * sine, -1, 1), 16_000))
    hot = package.extract("opensmile", (np.float32(1.02) * sine, 16_000))
    full = package.extract("opensmile", (sine, 16_000))
    loudness = full.names.index("loudness_sma3_amean")

    assert loud.clip == pytest.approx(clipped.clip, rel=1e-4, abs=1e-4)
    assert hot.clip[loudness] == pytest.approx(full.clip[loudness], rel=0.05)


@pytest.mark.usefixtures("shelf")
def test_a_whole_model_needs_no_room(tmp_path: Path, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_manifest(tmp_path / "mine", toy_file("toy.pth", WEIGHTS, SOURCE))
    put(tmp_path / "shelf" / "Toy" / "toy.pth", WEIGHTS)
    monkeypatch.setenv("MODELCTL_KEEP_FREE", "900TB")

    answer = modelctl("fetch", "toy", "--manifests", tmp_path / "mine")

    assert (answer.code, answer.out) == (0, "nothing to fetch: all is there\n")


def test_counts_are_of_recordings_not_of_arguments(tmp_path: Path, modelctl: Modelctl) -> None:
    put(tmp_path / "a" / "good.flac", CLIP.read_bytes())
    put(tmp_path / "a" / "empty.flac", b"")
    put(tmp_path / "a" / "void.flac", b"")

    assert "2 of 3 failed" in modelctl("run", "opensmile", tmp_path / "a").err


def test_a_place_that_cannot_take_features_is_refused_before_any_is_computed(
    tmp_path: Path, modelctl: Modelctl
) -> None:
    taken = put(tmp_path / "taken", b"a file")

    answer = modelctl("extract", CLIP, "--model", "opensmile", "--out", taken)

    assert answer.code == 2
    assert "cannot be made" in answer.err


def test_the_version_is_told(modelctl: Modelctl) -> None:
    assert modelctl("--version").out == f"modelctl {package.__version__}\n"


@pytest.mark.usefixtures("shelf")
def test_what_nobody_foresaw_is_one_object_too(mine: Path, modelctl: Modelctl) -> None:
    """A manifest that leaves out what its family needs: the family's KeyError is no traceback."""
    toy_manifest(mine, toy_file("toy.pth", WEIGHTS, SOURCE), family="opensmile")
    put(mine.parent / "shelf" / "Toy" / "toy.pth", WEIGHTS)

    answer = modelctl("run", "toy", CLIP, "--json")

    assert answer.code == 1
    assert "unforeseen KeyError" in json.loads(answer.out)["error"]["message"]


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_is_no_traceback(closed: str, shelf: Path) -> None:
    redirect = {"stdout": ">&-", "stderr": "2>&-"}[closed]
    line = f"{sys.executable} -m modelctl status {redirect}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env={**os.environ})

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert not list(shelf.iterdir())
