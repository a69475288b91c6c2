"""`list`, `info` and `doctor`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Modelctl
from shelves import USERS_TREE, lay_out

from modelctl.manifest import bundled_folder, manifests_in

pytestmark = pytest.mark.usefixtures("shelf")


def test_the_ranking_for_genres_is_the_records(modelctl: Modelctl) -> None:
    models = json.loads(modelctl("list", "--for", "genre-classification", "--json").out)["models"]
    ranks = {model["name"]: model["task"]["rank"] for model in models}

    assert [model["name"] for model in models][:3] == ["mert", "clap", "musicnn"]
    assert ranks["vggish"] == ranks["ast"] == ranks["panns"] == 4
    assert ranks["hubert"] == ranks["encodec"] == 5
    assert sorted(ranks.values()) == list(ranks.values())
    assert all(model["task"]["reason"] for model in models)


def test_the_ranking_marks_what_is_on_the_shelf(shelf: Path, modelctl: Modelctl) -> None:
    lay_out(shelf, USERS_TREE)

    lines = modelctl("list", "--for", "genre-classification").out.splitlines()

    assert any("mert" in line and "★★★★☆" in line and "present" in line for line in lines)
    assert any("musicnn" in line and "★★★★★" in line and "absent" in line for line in lines)


def test_an_unknown_task_is_answered_with_the_nearest(modelctl: Modelctl) -> None:
    answer = modelctl("list", "--for", "genre-clasification")

    assert answer.code == 2
    assert "did you mean 'genre-classification'?" in answer.err


@pytest.mark.parametrize("path", manifests_in(bundled_folder()), ids=lambda path: path.stem)
def test_info_tells_every_known_issue_and_every_slip_of_the_record(path: Path, modelctl: Modelctl) -> None:
    shown = json.loads(modelctl("info", path.stem, "--json").out)
    text = " ".join(modelctl("info", path.stem).out.split())

    for issue in shown["manifest"]["known_issues"]:
        assert " ".join(issue["detail"].split()) in text
    for slip in shown["manifest"]["record_says"]:
        assert " ".join(slip["truth"].split()) in text
    assert shown["manifest"]["licence"]["weights"] in text


def test_the_doctor_names_what_is_missing_and_what_mends_it(
    modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    answer = modelctl("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(answer.out)["checks"]}

    assert answer.code == 0
    assert (
        checks["Python"]["health"] == checks["extra audio"]["health"] == checks["extra audio, torch"]["health"] == "ok"
    )
    assert checks["ffmpeg"]["health"] == "optional"
    assert checks["ffmpeg"]["mend"]
    assert checks["Docker"]["found"] == "not installed"
    assert "does not answer" in checks["hub"]["found"]


def test_the_doctor_respects_offline_mode(modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    out = modelctl("doctor").out

    assert "offline, as HF_HUB_OFFLINE says" in out
    assert str(shutil.which("ffmpeg") or "not found") in out


def test_the_doctor_exits_1_where_a_model_lacks_its_packages(
    tmp_path: Path, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (bundled_folder() / "librosa.yaml").read_text()
    for old, new in (("name: librosa", "name: other"), ("packages: [librosa", "packages: [no_such_module")):
        text = text.replace(old, new, 1)
    (tmp_path / "other.yaml").write_text(text)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    answer = modelctl("doctor", "--manifests", tmp_path)

    assert answer.code == 1
    assert "no_such_module missing, for" in answer.out
    assert "pip install 'modelctl[audio]'" in answer.out
