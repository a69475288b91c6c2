"""File systems, on real ones: a 57 GB ext4 image on a loop device, 626 MB from full."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Modelctl
from shelves import USERS_TREE, lay_out

from modelctl import disks

IMAGE_SIZE = 62_000_000_000
"""Bytes; `df -h` calls the file system on it 57G."""
FREE = 626_000_000


def mount_image(folder: Path, *options: str) -> Path:
    """Make a sparse image, mount it, and return where; skip where that is not allowed."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4") or not Path("/sys/dev/block").is_dir():
        pytest.skip("a loop device needs root, mkfs.ext4 and /sys")
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir()
    with image.open("wb") as stream:
        stream.truncate(IMAGE_SIZE)
    quick = "lazy_itable_init=1,lazy_journal_init=1"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", quick, *options, image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, mount], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device here: {done.stderr.strip()}")
    return mount


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Path]:
    mount = mount_image(tmp_path)
    yield mount
    subprocess.run(["umount", mount], check=True)


def fill(mount: Path, leave: int) -> None:
    """Take blocks, without writing them, until `leave` bytes are free for users."""
    stat = os.statvfs(mount)
    with (mount / "filler").open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, stat.f_bavail * stat.f_frsize - leave)


@pytest.mark.root
def test_a_nearly_full_ext4_shows_what_root_keeps_and_how_to_get_it_back(ext4: Path, modelctl: Modelctl) -> None:
    shelf = lay_out(ext4 / "AI_models", USERS_TREE)
    fill(ext4, FREE)

    shown = json.loads(modelctl("status", "--root", shelf, "--json").out)
    disk = next(disk for disk in shown["disks"] if "shelf" in disk["holds"])
    screen = modelctl("status", "--root", shelf).out

    assert disk["mount"] == str(ext4)
    assert disk["free"] == pytest.approx(FREE, abs=2e6)
    assert disk["reserved"] == pytest.approx(0.05 * IMAGE_SIZE, rel=0.01)
    assert "98 % full, 626 MB free of 60.7 GB" in screen
    assert "more is free, but reserved for root" in screen
    assert "sudo tune2fs -m 1 /dev/loop" in screen


@pytest.mark.root
def test_the_command_gives_back_what_was_promised(ext4: Path) -> None:
    [disk] = disks.survey({"shelf": ext4})
    found = disks.reclaim_command(disk)
    assert found is not None
    command, promised = found

    subprocess.run(command.removeprefix("sudo ").split(), check=True, capture_output=True)
    [after] = disks.survey({"shelf": ext4})

    assert after.free - disk.free == pytest.approx(promised, rel=0.05)
    assert disks.reclaim_command(after) is None


@pytest.mark.root
def test_a_disk_without_a_reserve_has_no_line_about_one(tmp_path: Path, modelctl: Modelctl) -> None:
    mount = mount_image(tmp_path, "-m", "0")
    try:
        screen = modelctl("status", "--root", mount).out
        [disk] = disks.survey({"shelf": mount})
    finally:
        subprocess.run(["umount", mount], check=True)

    here = screen[screen.index(str(mount)) :].split("disk  ")[1]
    assert disk.reserved < 20_000_000
    assert "reserved for root" not in here
    assert "tune2fs" not in here


def test_places_on_one_file_system_are_one_disk(tmp_path: Path) -> None:
    found = disks.survey({"shelf": tmp_path / "not" / "yet", "temporary files": tmp_path})

    assert [disk.holds for disk in found] == [("shelf", "temporary files")]
    assert found[0].total > found[0].free > 0


def test_the_caches_of_hugging_face_are_found_where_its_variables_say() -> None:
    assert disks.places(Path("/s"), {"HF_HUB_CACHE": "/a"})["Hugging Face cache"] == Path("/a")
    assert disks.places(Path("/s"), {"HF_HOME": "/b"})["Hugging Face cache"] == Path("/b/hub")
    assert disks.places(Path("/s"), {"XDG_CACHE_HOME": "/c"})["Hugging Face cache"] == Path("/c/huggingface/hub")
