"""What every test may ask for: an empty home, a shelf, and the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from modelctl.shell import run_words

pytest_plugins = ("musicnn_files",)


class Answer(NamedTuple):
    """What a command line gave."""

    code: int
    out: str
    err: str


Modelctl = Callable[..., Answer]


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees, or fills, the settings and caches of whoever runs it."""
    home = tmp_path / "home"
    home.mkdir()
    for name in os.environ:
        if name.startswith(("MODELCTL_", "XDG_", "HF_")) and name not in ("MODELCTL_TEST_MUSIC", "MODELCTL_TEST_CACHE"):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local" / "share"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    return home


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty shelf, which every command finds by itself."""
    root = tmp_path / "shelf"
    root.mkdir()
    monkeypatch.setenv("MODELCTL_ROOT", str(root))
    return root


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of manifests beside modelctl's own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("MODELCTL_MANIFESTS", str(folder))
    return folder


@pytest.fixture
def modelctl(capsys: pytest.CaptureFixture[str]) -> Modelctl:
    """Run a command line in this process: modelctl("status", "--json")."""

    def run(*words: str | Path) -> Answer:
        code = run_words([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run
