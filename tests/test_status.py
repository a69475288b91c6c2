"""What `status` says, on shelves laid out like a user's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Modelctl
from shelves import USERS_TREE, lay_out, put, toy_file, toy_manifest

SEVEN = ["vggish", "mert", "clap", "encodec", "ast", "hubert"]


def states(modelctl: Modelctl) -> dict[str, str]:
    shown = json.loads(modelctl("status", "--json").out)
    return {model["name"]: model["state"] for model in shown["models"]}


def test_an_empty_shelf_lists_all_fourteen(shelf: Path, modelctl: Modelctl) -> None:
    answer = modelctl("status", "--json")
    shown = json.loads(answer.out)

    assert answer.code == 0
    assert len(shown["models"]) == 14
    assert shown["root"] == str(shelf)
    assert {"absent", "bundled"} >= {model["state"] for model in shown["models"]}


def test_the_users_own_tree_is_recognised_as_it_stands(shelf: Path, modelctl: Modelctl) -> None:
    lay_out(shelf, USERS_TREE)

    found = states(modelctl)

    assert {name: found[name] for name in SEVEN} == dict.fromkeys(SEVEN, "present")
    assert found["panns"] == "foreign"
    assert found["beats"] == found["wav2vec2"] == found["audiomae"] == "absent"


def test_the_foreign_file_is_named_on_the_screen(shelf: Path, modelctl: Modelctl) -> None:
    lay_out(shelf, USERS_TREE)

    out = modelctl("status").out

    assert "panns: pytorch_model.pth has exactly the size of ast's pytorch_model.bin (346 MB)" in out
    assert "modelctl fetch panns" in out


@pytest.mark.usefixtures("shelf")
def test_the_record_is_corrected(modelctl: Modelctl) -> None:
    [mert] = json.loads(modelctl("status", "mert", "--json").out)["models"]

    assert mert["output_dim"] == 1024
    assert "record: 1024 dims, not 768" in mert["issues"]


@pytest.mark.usefixtures("shelf")
def test_json_has_the_keys_of_the_contract(modelctl: Modelctl) -> None:
    shown = json.loads(modelctl("status", "--json").out)

    assert list(shown) == ["schema", "root", "disks", "models"]
    assert shown["schema"] == 1
    assert set(shown["disks"][0]) == {"mount", "holds", "total", "free", "reserved", "budget", "keep_free"}
    keys = "name title state ready bytes_expected bytes_on_disk output_dim environment kept issues"
    assert all(set(model) == set(keys.split()) for model in shown["models"])
    sizes = [shown["disks"][0][key] for key in ("total", "free", "reserved")]
    assert all(isinstance(size, int) for size in sizes)


@pytest.mark.usefixtures("shelf")
def test_asking_for_a_model_that_is_not_ready_exits_1(modelctl: Modelctl) -> None:
    assert modelctl("status").code == 0
    assert modelctl("status", "beats").code == 1
    assert modelctl("status", "librosa").code == 0


@pytest.mark.usefixtures("shelf")
def test_budget_and_floor_are_shown(modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELCTL_BUDGET", "5GB")
    monkeypatch.setenv("MODELCTL_KEEP_FREE", "200MB")

    out = modelctl("status").out
    disk = json.loads(modelctl("status", "--json").out)["disks"][0]

    assert "the shelf's budget is 5.00 GB" in out
    assert "200 MB is to stay free" in out
    assert (disk["budget"], disk["keep_free"]) == (5 * 10**9, 200 * 10**6)


@pytest.mark.usefixtures("shelf")
def test_a_manifest_in_a_named_folder_appears_everywhere(
    tmp_path: Path, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"weights of a fifteenth"
    source = put(tmp_path / "source.bin", content).as_uri()
    toy_manifest(tmp_path / "mine", toy_file("toy.pth", content, source), name="fifteenth", family="librosa")
    monkeypatch.setenv("MODELCTL_MANIFESTS", str(tmp_path / "mine"))

    assert states(modelctl)["fifteenth"] == "absent"
    assert "fifteenth" in modelctl("list").out
    assert "fifteenth" in modelctl("list", "--for", "genre-classification").out
    assert "A toy" in modelctl("info", "fifteenth").out
    assert modelctl("fetch", "fifteenth").code == 0
    assert states(modelctl)["fifteenth"] == "present"


@pytest.mark.parametrize("columns", [80, 200])
def test_no_line_of_a_table_folds(columns: int, shelf: Path) -> None:
    lay_out(shelf, USERS_TREE)
    environ = {**os.environ, "COLUMNS": str(columns)}
    command = [sys.executable, "-m", "modelctl", "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)

    table = done.stdout.split("\n\n")[1].splitlines()
    assert table[0].split()[:3] == ["model", "state", "size"]
    assert [line[0] for line in table[1:15]] == [line[0] for line in table[1:15] if line[0] in "○●"]
    assert len(table) == 16  # the header, fourteen models, and what the marks mean
    assert all(len(line) <= columns for line in table)


def test_a_pipe_gets_whole_lines_and_no_colour(shelf: Path) -> None:
    lay_out(shelf, USERS_TREE)
    command = [sys.executable, "-m", "modelctl", "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})

    assert "\x1b" not in done.stdout
    assert "…" not in done.stdout
    assert re.search(r"^○  panns +foreign .*ast's pytorch_model.bin.*record: ", done.stdout, re.MULTILINE)


def test_a_shelf_that_is_not_there_yet_is_no_error(tmp_path: Path, modelctl: Modelctl) -> None:
    answer = modelctl("status", "--root", tmp_path / "not" / "yet")

    assert answer.code == 0
    assert not (tmp_path / "not").exists()


def test_a_file_in_the_place_of_a_folder_is_no_crash(shelf: Path, modelctl: Modelctl) -> None:
    put(shelf / "BEATs", b"a file")

    assert states(modelctl)["beats"] == "absent"


def test_an_unreadable_link_is_passed_over(shelf: Path, modelctl: Modelctl) -> None:
    (shelf / "VGGish").mkdir()
    (shelf / "VGGish" / "vggish-10086976.pth").symlink_to(shelf / "nowhere")

    assert states(modelctl)["vggish"] == "absent"
