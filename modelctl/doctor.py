"""What this machine lacks for what the manifests need, and the command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from modelctl import disks
from modelctl.environments import host
from modelctl.model import Model
from modelctl.units import format_size
from modelctl.work import Work

NEWEST_PYTHON = (3, 13)
PATIENCE = 3
"""Seconds that an engine, or the hub, has to answer."""
DOCKER_API = "1.41"
"""Old enough for every engine in use; naming one saves the client from asking before it is asked."""
TIGHT = 0.02
"""Share of a disk below which its free space is worth a warning."""


class Health(StrEnum):
    """How a check came out."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    health: Health
    found: str
    mend: str = ""
    """The command, or the sentence, that mends it."""


def examine(work: Work) -> list[Check]:
    """Look at everything; the network is asked one thing, whether the hub answers."""
    looks: dict[str, Callable[[], Iterable[Check]]] = {
        "Python": lambda: [_python()],
        "extras": lambda: _extras(work.models.values()),
        "ffmpeg": lambda: [_ffmpeg()],
        "Docker": lambda: [_docker()],
        "other engines": lambda: [_other_engines()],
        "GPU": lambda: [_gpu()],
        "disks": lambda: _disks(work.settings.root, work.settings.keep_free),
        "hub": lambda: [_hub()],
    }
    return [check for name, look in looks.items() for check in _guarded(name, look)]


def _guarded(name: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 - one look that fails must not cost the others
        return [Check(name, Health.OPTIONAL, f"could not be looked at: {error}")]


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return Check("Python", Health.OK, f"{version} on {platform.system()} {platform.machine()}")
    return Check("Python", Health.OPTIONAL, f"{version}, which is newer than what is tested", "use Python 3.11 to 3.13")


def _extras(models: Iterable[Model]) -> Iterator[Check]:
    """Tell, for the models that take the same extras, which packages are missing."""
    groups: dict[tuple[str, ...], list[Model]] = {}
    for model in models:
        groups.setdefault(model.environment.extras, []).append(model)
    for extras, group in sorted(groups.items()):
        missing = sorted({name for model in group for name in host.lacks(model)})
        names = f"for {', '.join(model.name for model in group)}"
        title = f"extra {', '.join(extras)}" if extras else "no extra"
        if missing:
            mend = host.how_to_install(group[0])
            yield Check(title, Health.MISSING, f"{', '.join(missing)} missing, {names}", mend)
        else:
            yield Check(title, Health.OK, names)


def _ffmpeg() -> Check:
    if path := shutil.which("ffmpeg"):
        return Check("ffmpeg", Health.OK, path)
    return Check("ffmpeg", Health.OPTIONAL, "not found: m4a, wma and the like cannot be read", _install("ffmpeg"))


def _docker() -> Check:
    import docker
    from docker.errors import DockerException

    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if address.startswith("unix://") and not Path(address.removeprefix("unix://")).exists():
        return _docker_obstacle("no socket")
    client = None
    try:
        client = docker.from_env(version=DOCKER_API, timeout=PATIENCE)
        version = client.version()["Version"]
    except (DockerException, OSError) as error:
        return _docker_obstacle(str(error))
    finally:
        if client is not None:
            client.close()
    return Check("Docker", Health.OK, f"engine {version}")


def _docker_obstacle(error: str) -> Check:
    if not shutil.which("docker"):
        return Check("Docker", Health.OPTIONAL, "not installed", _install("docker.io"))
    if "Permission" in error:
        mend = f"sudo usermod -aG docker {os.environ.get('USER', '$USER')}, then log in again"
        return Check("Docker", Health.OPTIONAL, "its socket may not be used by this user", mend)
    start = "sudo systemctl start docker" if shutil.which("systemctl") else "start dockerd"
    return Check("Docker", Health.OPTIONAL, "installed, but no engine answers", start)


def _other_engines() -> Check:
    found = [name for name in ("podman", "bwrap") if shutil.which(name)]
    if found:
        return Check("other engines", Health.OK, ", ".join(found))
    return Check("other engines", Health.OPTIONAL, "neither podman nor bubblewrap", _install("bubblewrap"))


def _gpu() -> Check:
    if not shutil.which("nvidia-smi"):
        found = (
            "Apple GPU" if (platform.system(), platform.machine()) == ("Darwin", "arm64") else "none; the CPU serves"
        )
        return Check("GPU", Health.OK, found)
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=PATIENCE)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        return Check("GPU", Health.OPTIONAL, "nvidia-smi fails", "reinstall the NVIDIA driver")
    return Check("GPU", Health.OK, "; ".join(done.stdout.split("\n")).strip("; "))


def _disks(root: Path, keep_free: int) -> Iterator[Check]:
    for disk in disks.survey(disks.places(root)):
        found = f"{format_size(disk.free)} of {format_size(disk.total)} free ({', '.join(disk.holds)})"
        if disk.free > max(keep_free, TIGHT * disk.total):
            yield Check(f"disk {disk.mount}", Health.OK, found)
            continue
        command = disks.reclaim_command(disk)
        mend = f"{command[0]} gives back {format_size(command[1])}" if command else "remove what is not needed"
        yield Check(f"disk {disk.mount}", Health.OPTIONAL, f"nearly full: {found}", mend)


def _hub() -> Check:
    import requests

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Check("hub", Health.OK, "offline, as HF_HUB_OFFLINE says")
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        requests.head(endpoint, timeout=PATIENCE)
    except requests.RequestException as error:
        reason = type(error).__name__
        return Check(
            "hub", Health.OPTIONAL, f"{endpoint} does not answer ({reason})", "check the network, or HF_ENDPOINT"
        )
    return Check("hub", Health.OK, f"{endpoint} answers")


def _install(package: str) -> str:
    """Return the package manager's command, where this machine has one that is known."""
    brew = {"docker.io": "docker", "bubblewrap": ""}.get(package, package)
    if shutil.which("apt-get"):
        return f"sudo apt-get install {package}"
    if shutil.which("brew") and brew:
        return f"brew install {brew}"
    return f"install {package} with this machine's package manager"
