"""Says by its exit code whether pip would take a torch of some 200 MB here, or the CUDA build of nearly 3 GB."""

from __future__ import annotations

import json
import subprocess
import sys


def main() -> int:
    """Ask pip what it would install, without installing it; 0 where that is light."""
    if sys.platform == "darwin":
        return 0
    options = ["--quiet", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-"]
    command = [sys.executable, "-m", "pip", "install", *options, "torch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return 1
    [found] = json.loads(done.stdout[done.stdout.index("{") :])["install"]
    return 0 if found["metadata"]["version"].endswith("+cpu") else 1


if __name__ == "__main__":
    sys.exit(main())
