"""The rules of structure: who may import whom, and what start-up may not import."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "modelctl"

LAYERS: dict[str, int] = {
    "errors": 0,
    "interrupts": 0,
    "model": 0,
    "paths": 0,
    "units": 1,
    "rules": 1,
    "yamlfile": 1,
    "checkpoint": 1,
    "manifest": 2,
    "assess": 2,
    "parameters": 2,
    "settings": 3,
    "plan": 3,
    "store": 3,
    "archives": 3,
    "disks": 3,
    "sources": 3,
    "sound": 2,
    "ffmpeg": 3,
    "libsndfile": 3,
    "features": 3,
    "environments": 3,
    "audio": 4,
    "receive": 4,
    "work": 4,
    "pipeline": 5,
    "doctor": 5,
    "library": 6,
    "verbs": 7,
    "as_json": 8,
    "portrait": 8,
    "render": 8,
    "cli": 9,
    "shell": 10,
    "__main__": 11,
    "__init__": 10,
}
"""A room imports only from rooms with a lower number."""

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "worker" not in path.parts)
WORKER = sorted((PACKAGE / "worker").rglob("*.py"))
HEAVY = {"numpy", "torch", "transformers", "librosa", "essentia", "opensmile", "soundfile", "soxr", "scipy", "docker"}
HEAVY |= {"requests", "psutil", "huggingface_hub", "safetensors"}


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms of modelctl that a module imports, wherever in it."""
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts == ["modelctl"]:
                rooms |= {alias.name for alias in node.names} - {"__version__"}
            elif parts[0] == "modelctl":
                rooms.add(parts[1])
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("modelctl.")}
    return rooms


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_at_top(path: Path) -> set[str]:
    """Return the packages that importing the module imports."""
    body = list(ast.parse(path.read_text()).body)
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_lies_below(path: Path) -> None:
    room = room_of(path)
    above = {other for other in rooms_imported(path) - {room, "worker"} if LAYERS[other] >= LAYERS[room]}

    assert not above


@pytest.mark.parametrize("path", WORKER, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_worker_imports_nothing_of_the_other_half(path: Path) -> None:
    assert rooms_imported(path) <= {"worker"}


@pytest.mark.parametrize("path", WORKER, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_worker_reads_under_python_3_7(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 7))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_heavy_is_imported_at_the_top_of_a_module(path: Path) -> None:
    assert not imported_at_top(path) & HEAVY


@pytest.mark.parametrize("words", [["status"], ["list"], ["info", "mert"], ["--help"]], ids=" ".join)
def test_looking_at_the_shelf_imports_nothing_heavy(words: list[str], shelf: Path) -> None:
    script = (
        "import sys\n"
        "from modelctl.shell import run_words\n"
        f"run_words({words!r})\n"
        f"print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stderr.split() == []
    assert done.stdout
    assert not list(shelf.iterdir())


def test_what_is_installed_is_pinned() -> None:
    """Another day installs the same: every package here, but pip's own and modelctl, has its version in the pins."""
    lines = (PACKAGE.parent / "tests" / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {canonical(name): version for name, version in pins.items()}
    found = {canonical(one.name): one.version.partition("+")[0] for one in metadata.distributions()}
    loose = {name: version for name, version in found.items() if pinned.get(name) != version}

    assert set(loose) <= {"modelctl", "pip", "setuptools", "wheel"}


def canonical(name: str) -> str:
    return name.lower().replace("_", "-")
