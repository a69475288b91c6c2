"""Fixtures: Musicnn's wheel from the package index, and the four checkpoints that modelctl makes of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from modelctl.checkpoint import tensorflow_to_safetensors

CHECKPOINTS = ("MTT_musicnn", "MSD_musicnn", "MTT_vgg", "MSD_vgg")
WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SIZE = 29_292_476
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"


@pytest.fixture(scope="session")
def musicnn_wheel(pytestconfig: pytest.Config) -> Path:
    """Musicnn 0.1.0 as published, kept from one session to the next."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("musicnn")
    wheel = folder / WHEEL
    if not (wheel.is_file() and _sha256(wheel) == WHEEL_SHA256):
        wheel.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
        subprocess.run([*command, "musicnn==0.1.0"], check=True, stdout=subprocess.DEVNULL)
    assert wheel.stat().st_size == WHEEL_SIZE
    assert _sha256(wheel) == WHEEL_SHA256
    return wheel


@pytest.fixture(scope="session")
def tensorflow_files(musicnn_wheel: Path) -> dict[str, tuple[bytes, bytes]]:
    """(index, data) of each checkpoint, as TensorFlow wrote them."""
    with zipfile.ZipFile(musicnn_wheel) as wheel:
        return {
            name: (wheel.read(f"musicnn/{name}/.index"), wheel.read(f"musicnn/{name}/.data-00000-of-00001"))
            for name in CHECKPOINTS
        }


@pytest.fixture(scope="session")
def musicnn_folder(tensorflow_files: dict[str, tuple[bytes, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder with the four converted checkpoints."""
    folder = tmp_path_factory.mktemp("musicnn")
    for name, (index, data) in tensorflow_files.items():
        (folder / f"{name}.safetensors").write_bytes(tensorflow_to_safetensors(index, data))
    return folder


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
