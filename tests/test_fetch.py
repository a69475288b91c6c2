"""Fetching: planned first, refused before the first byte, proven before the final name."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import Modelctl
from shelves import put, toy_file, toy_manifest

CONTENT = b"the weights of a toy " * 1000


@pytest.fixture
def source(tmp_path: Path) -> str:
    return put(tmp_path / "source" / "toy.bin", CONTENT).as_uri()


def leftovers(shelf: Path) -> list[str]:
    return sorted(
        str(path.relative_to(shelf)) for path in shelf.rglob("*") if not path.is_dir() or ".fetch" in path.name
    )


def test_a_file_is_proven_and_gets_its_right_name(mine: Path, source: str, shelf: Path, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source, formerly="[toy.bin]"))

    answer = modelctl("fetch", "toy", "--json")
    fetched = json.loads(answer.out)

    assert answer.code == 0
    assert (shelf / "Toy" / "toy.pth").read_bytes() == CONTENT
    assert fetched["moved_bytes"] == len(CONTENT)
    assert fetched["plan"]["downloads"] == [{"model": "toy", "path": "toy.pth", "bytes": len(CONTENT)}]
    assert leftovers(shelf) == ["Toy/toy.pth"]


@pytest.mark.usefixtures("shelf")
def test_fetching_again_moves_nothing(mine: Path, source: str, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source))
    modelctl("fetch", "toy")

    answer = modelctl("fetch", "toy")

    assert answer.out == "nothing to fetch: all is there\n"


def test_a_dry_run_prints_the_plan_and_touches_nothing(
    mine: Path, source: str, shelf: Path, modelctl: Modelctl
) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source))

    planned = json.loads(modelctl("fetch", "toy", "--dry-run", "--json").out)

    assert list(planned["plan"]["peak"].values()) == [len(CONTENT)]
    assert planned["moved_bytes"] == 0
    assert leftovers(shelf) == []


def test_wrong_bytes_never_get_the_name_and_the_old_file_stays(
    mine: Path, source: str, shelf: Path, modelctl: Modelctl
) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source, sha256="0" * 64))
    put(shelf / "Toy" / "toy.pth", b"older and shorter")

    answer = modelctl("fetch", "toy", "--json")
    error = json.loads(answer.out)["error"]

    assert (answer.code, error["kind"]) == (4, "integrity")
    assert (shelf / "Toy" / "toy.pth").read_bytes() == b"older and shorter"
    assert leftovers(shelf) == ["Toy/toy.pth"]


@pytest.mark.usefixtures("shelf")
def test_a_file_of_another_length_is_refused(mine: Path, source: str, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source, size=len(CONTENT) + 1))

    answer = modelctl("fetch", "toy")

    assert answer.code == 4
    assert f"{len(CONTENT)} bytes arrived where {len(CONTENT) + 1} were expected" in answer.err


def test_a_misnamed_file_is_renamed_not_fetched(mine: Path, shelf: Path, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, "https://example.org/toy.bin", formerly="[toy.bin]"))
    put(shelf / "Toy" / "toy.bin", CONTENT)

    answer = modelctl("fetch", "toy", "--json")

    assert json.loads(answer.out)["plan"]["renames"] == [{"model": "toy", "from": "toy.bin", "to": "toy.pth"}]
    assert leftovers(shelf) == ["Toy/toy.pth"]


def test_a_foreign_file_is_not_overwritten(shelf: Path, modelctl: Modelctl) -> None:
    path = put(shelf / "PANNs" / "cnn14" / "Cnn14_mAP=0.431.pth", b"")
    with path.open("r+b") as stream:
        stream.truncate(346_445_675)

    answer = modelctl("fetch", "panns")

    assert answer.code == 5
    assert "has exactly the size of ast's pytorch_model.bin" in answer.err
    assert path.stat().st_size == 346_445_675


def test_the_next_source_is_asked_when_one_is_gone(
    mine: Path, source: str, tmp_path: Path, shelf: Path, modelctl: Modelctl
) -> None:
    gone = (tmp_path / "gone.bin").as_uri()
    toy_manifest(mine, toy_file("toy.pth", CONTENT, urls=f"[{gone}, {source}]"))

    assert modelctl("fetch", "toy").code == 0
    assert (shelf / "Toy" / "toy.pth").read_bytes() == CONTENT


def test_a_source_that_is_gone_exits_6(mine: Path, tmp_path: Path, shelf: Path, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, (tmp_path / "gone.bin").as_uri()))

    answer = modelctl("fetch", "toy")

    assert answer.code == 6
    assert "No such file" in answer.err
    assert leftovers(shelf) == []


@pytest.mark.usefixtures("shelf")
def test_a_scheme_that_this_version_cannot_fetch_says_where_to_put_the_file(modelctl: Modelctl) -> None:
    answer = modelctl("fetch", "hubert")

    assert answer.code == 6
    assert "hf://facebook/hubert-large-ll60k@" in answer.err
    assert "put it at HuBERT/hubert-large-ll60k/" in answer.err


def test_what_would_not_fit_is_refused_before_the_first_byte(
    mine: Path, source: str, shelf: Path, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source))
    monkeypatch.setenv("MODELCTL_KEEP_FREE", "900TB")

    answer = modelctl("fetch", "toy", "--json")
    error = json.loads(answer.out)["error"]

    assert (answer.code, error["kind"]) == (3, "no-space")
    assert error["needed"] == len(CONTENT)
    assert error["short"] >= error["needed"]
    assert leftovers(shelf) == []


def test_a_fetch_over_the_budget_is_refused(
    mine: Path, source: str, shelf: Path, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source))
    put(shelf / "VGGish" / "something.txt", b"x" * 600)
    monkeypatch.setenv("MODELCTL_BUDGET", str(len(CONTENT) + 599))

    answer = modelctl("fetch", "toy", "--json")

    assert answer.code == 3
    assert json.loads(answer.out)["error"]["short"] == 1


def test_files_are_taken_from_an_archive_that_is_not_kept(
    mine: Path, tmp_path: Path, shelf: Path, modelctl: Modelctl
) -> None:
    archive = tmp_path / "toy.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("inside/weights.bin", CONTENT)
    packed = archive.read_bytes()
    block = toy_file("toy.pth", CONTENT, taken_from="{archive: zip, member: inside/weights.bin}")
    header = toy_file("x", packed, archive.as_uri()).split("\n")[2:]
    archives = "\n".join(["archives:", "  zip:", *header]) + "\n"
    toy_manifest(mine, block, rest=archives)

    planned = json.loads(modelctl("fetch", "toy", "--dry-run", "--json").out)["plan"]
    answer = modelctl("fetch", "toy")

    assert answer.code == 0, answer.err
    assert list(planned["peak"].values()) == [len(packed) + len(CONTENT)]
    assert (shelf / "Toy" / "toy.pth").read_bytes() == CONTENT
    assert leftovers(shelf) == ["Toy/toy.pth"]


@pytest.mark.usefixtures("shelf")
def test_a_library_needs_no_fetch(modelctl: Modelctl) -> None:
    assert modelctl("fetch", "librosa").out == "nothing to fetch: all is there\n"


def test_a_shelf_that_cannot_be_written_is_named(mine: Path, source: str, tmp_path: Path, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source))
    put(tmp_path / "a-file", b"")

    answer = modelctl("fetch", "toy", "--root", tmp_path / "a-file")

    assert answer.code == 1
    assert "cannot be made" in answer.err


def test_the_workbench_of_a_process_that_died_is_swept(
    mine: Path, source: str, shelf: Path, modelctl: Modelctl
) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, source))
    dead = subprocess.Popen(["true"])
    dead.wait()
    put(shelf / "Toy" / f".fetch-{platform.node()}-{dead.pid}" / "half", b"half a file")
    alive = put(shelf / "Toy" / f".fetch-{platform.node()}-{os.getppid()}" / "half", b"another's")

    modelctl("fetch", "toy")

    assert leftovers(shelf) == [
        *(str(path.relative_to(shelf)) for path in (alive.parent, alive)),
        "Toy/toy.pth",
    ]


def test_a_file_under_its_old_name_is_proven_before_it_is_renamed(mine: Path, shelf: Path, modelctl: Modelctl) -> None:
    toy_manifest(mine, toy_file("toy.pth", CONTENT, "https://example.org/toy.bin", formerly="[toy.bin]"))
    put(shelf / "Toy" / "toy.bin", b"x" * len(CONTENT))

    answer = modelctl("fetch", "toy")

    assert answer.code == 4
    assert "toy.bin: its sha256 is" in answer.err
    assert leftovers(shelf) == ["Toy/toy.bin"]


def test_a_file_of_the_right_size_under_an_unknown_name_is_not_taken_for_the_model(
    shelf: Path, modelctl: Modelctl
) -> None:
    """Cnn14 and its DecisionLevelMax sibling have the same size to the byte."""
    sibling = put(shelf / "PANNs" / "cnn14" / "Cnn14_DecisionLevelMax_mAP=0.385.pth", b"")
    os.truncate(sibling, 327_428_481)

    shown = modelctl("status", "panns")
    answer = modelctl("fetch", "panns")

    assert "has the size of Cnn14_mAP=0.431.pth" in shown.out
    assert answer.code == 6
    assert [path.name for path in sibling.parent.iterdir()] == [sibling.name]


def test_an_optional_file_without_a_source_does_not_keep_the_others_from_their_names(
    shelf: Path, modelctl: Modelctl
) -> None:
    weights = put(shelf / "MERT" / "MERT-v1-330M" / "pytorch_model.bin", b"")
    os.truncate(weights, 1_261_850_000)

    answer = modelctl("fetch", "mert")

    assert answer.code == 0, answer.err
    assert weights.with_suffix(".pth").stat().st_size == 1_261_850_000
    assert "left out mert: config.json" in answer.out


def test_a_folder_that_may_not_be_read_does_not_hide_the_others(shelf: Path, tmp_path: Path) -> None:
    closed = put(shelf / "BEATs" / "BEATs_iter3_plus_AS2M" / "x", b"").parent
    loop = shelf / "VGGish"
    loop.symlink_to(loop)
    closed.chmod(0)
    command = [sys.executable, "-m", "modelctl", "status", "--root", str(shelf), "--json"]
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run([*user, *command], capture_output=True, text=True, check=False, env={**os.environ})
    closed.chmod(0o755)

    issues = {model["name"]: model["issues"] for model in json.loads(done.stdout)["models"]}
    assert len(issues) == 14
    assert any("Too many levels of symbolic links" in issue for issue in issues["vggish"])
    if not user or Path(sys.executable).resolve().is_relative_to("/usr"):
        assert any("Permission denied" in issue for issue in issues["beats"])
