"""The wheel: built, installed in an empty environment, and used there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
CORE_LIMIT = 60_000_000


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds nothing but the built wheel and its core dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    [wheel] = folder.glob("modelctl-*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--constraint", CONSTRAINTS, wheel], check=True)
    return environment


@pytest.mark.wheel
def test_a_wheel_in_an_empty_environment_finds_its_fourteen(installed: Path, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MODELCTL_ROOT": str(tmp_path / "shelf")}
    command: list[str | Path] = [installed / "bin" / "modelctl", "status", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=environ)
    models = json.loads(done.stdout)["models"]

    assert len(models) == 14
    assert not any(model["ready"] for model in models)
    assert any(
        issue.startswith("librosa") and issue.endswith("not installed") for model in models for issue in model["issues"]
    )


@pytest.mark.wheel
def test_a_model_whose_extra_is_missing_says_how_to_get_it(installed: Path, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command: list[str | Path] = [
        installed / "bin" / "modelctl",
        "run",
        "librosa",
        ROOT / "tests" / "audio" / "demo.flac",
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)

    assert done.returncode == 8
    assert "librosa" in done.stderr
    assert "pip install 'modelctl[audio]'" in done.stderr


@pytest.mark.wheel
def test_containers_travel_inside_the_wheel(installed: Path) -> None:
    [package] = installed.glob("lib/python*/site-packages/modelctl")

    assert (package / "containers" / "README.md").is_file()
    assert (package / "manifests" / "schema.json").is_file()
    assert (package / "worker" / "protocol.py").is_file()


@pytest.mark.wheel
def test_the_core_stays_small(installed: Path) -> None:
    """Bytes on the disk, byte code included, without Python itself; the limit is what the README promises."""
    packages = [path for path in (installed / "lib").rglob("*") if path.is_file() and not path.is_symlink()]

    assert sum(path.stat().st_blocks * 512 for path in packages) < CORE_LIMIT
