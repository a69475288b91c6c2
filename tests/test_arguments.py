"""Wrong words on the command line: each with its exit code, its message and the next step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Modelctl
from shelves import put

CLIP = Path(__file__).parent / "audio" / "demo.flac"
LIBROSA = ["run", "librosa", str(CLIP)]
TO_NOWHERE = ["extract", str(CLIP), "--out", "nowhere", "--model"]
LAYUOT = "no parameter 'layuot'; did you mean 'layout'?"
FAM = "layout='fam' is not known; did you mean 'fma'?"
MAX_POOL = "no layer 'max-pool'; did you mean 'max_pool'?"

WRONG = [
    (["statu"], 2, "no such command 'statu'", "modelctl --help"),
    (["status", "--jsn"], 2, "no such option: --jsn", "modelctl status --help"),
    (["status", "mret"], 2, "no model 'mret'; did you mean 'mert'?", "modelctl list"),
    (["status", "mert", "no-such"], 2, "no model 'no-such'", "modelctl list"),
    (["status", "--manifests", "/not/there"], 2, "/not/there: no such folder of manifests", "MODELCTL_MANIFESTS"),
    (["info"], 2, "missing argument", "modelctl info --help"),
    (["info", "MERT"], 2, "no model 'MERT'", "modelctl list"),
    (["info", "../../etc/passwd"], 2, "no model '../../etc/passwd'", "modelctl list"),
    (["list", "--for", "cooking"], 2, "no task 'cooking'", "known: "),
    (["fetch"], 2, "missing argument", "modelctl fetch --help"),
    (["fetch", "beats", "nobody"], 2, "no model 'nobody'", "modelctl list"),
    (["run", "librosa"], 2, "missing argument", "modelctl run --help"),
    (["run", "librosa", "/not/there.wav"], 2, "/not/there.wav: no such file", "check the path"),
    (["run", "beats", str(CLIP)], 8, "beats: this version cannot run the family beats yet", "modelctl status"),
    ([*LIBROSA, "--engine", "podmn"], 2, "'podmn' is not one of", "modelctl run --help"),
    ([*LIBROSA, "--layer", "3"], 2, "librosa has no layers", "leave out --layer"),
    ([*LIBROSA, "--param", "layout"], 2, "--param 'layout' is not KEY=VALUE", "--param layout=compact"),
    ([*LIBROSA, "--param", "layuot=fma"], 2, LAYUOT, "known: layout"),
    ([*LIBROSA, "--param", "layout=fam"], 2, FAM, "fma, compact"),
    (["run", "musicnn", str(CLIP)], 1, "musicnn is absent", "modelctl fetch musicnn"),
    (["run", "musicnn", str(CLIP), "--layer", "max-pool"], 2, MAX_POOL, "taggram"),
    (["extract", str(CLIP), "--out", "nowhere"], 2, "missing option '--model'", "modelctl extract --help"),
    (["extract", str(CLIP), "--model", "librosa"], 2, "missing option '--out'", "modelctl extract --help"),
    ([*TO_NOWHERE, "librosa,nobody"], 2, "no model 'nobody'", "modelctl list"),
    ([*TO_NOWHERE, ","], 2, "no model is named", "modelctl list"),
    ([*TO_NOWHERE, "librosa", "--format", "csv"], 2, "'csv' is not one of", "--help"),
    ([*TO_NOWHERE, "librosa", "--level", "song"], 2, "'song' is not one of", "--help"),
]


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(("words", "code", "message", "hint"), WRONG, ids=[" ".join(row[0][-2:]) for row in WRONG])
def test_wrong_words_are_answered_with_what_and_what_next(
    words: list[str], code: int, message: str, hint: str, modelctl: Modelctl
) -> None:
    said = modelctl(*words)
    error = json.loads(modelctl(*words, "--json").out)["error"]

    assert said.code == code
    assert said.out == ""
    assert message in said.err
    assert hint in said.err
    assert message in error["message"]
    assert hint in error["hint"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MODELCTL_BUDGET", "lots", "'lots' is no size"),
        ("MODELCTL_KEEP_FREE", "-1GB", "'-1GB' is no size"),
        ("MODELCTL_CONFIG", "/not/there.yaml", "no such config file"),
        ("MODELCTL_MANIFESTS", "/not/there", "no such folder of manifests"),
    ],
)
def test_a_wrong_setting_is_named(
    name: str, value: str, message: str, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    answer = modelctl("status")

    assert answer.code == 2
    assert message in answer.err


def test_a_broken_manifest_stops_every_command_and_names_its_line(
    tmp_path: Path, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "mine" / "broken.yaml", b"name: broken\nsizee: 3\n")
    monkeypatch.setenv("MODELCTL_MANIFESTS", str(tmp_path / "mine"))

    answer = modelctl("status", "--json")
    error = json.loads(answer.out)["error"]

    assert answer.code == 2
    assert error["kind"] == "usage"
    assert "broken.yaml:2: sizee: unknown key" in error["message"]


def test_a_name_that_the_shipped_models_have_is_refused(
    tmp_path: Path, modelctl: Modelctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path(__file__).parent.parent / "manifests" / "librosa.yaml"
    put(tmp_path / "mine" / "again.yaml", original.read_bytes())
    monkeypatch.setenv("MODELCTL_MANIFESTS", str(tmp_path / "mine"))

    answer = modelctl("list")

    assert answer.code == 2
    assert "'librosa' is taken by" in answer.err


def test_no_words_at_all_show_the_help(modelctl: Modelctl) -> None:
    answer = modelctl()

    assert "Usage: modelctl" in answer.out + answer.err
    assert "Traceback" not in answer.err
