"""How long `modelctl status` takes, against what a user would compare it with, in turn and in one run.

Run it with `make bench` on a quiet machine. Whole processes, wall time; the ratio is the median of the ratios of
neighbouring runs, so that a machine that slows down slows both.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 25
EXTRA = 200
BIN = Path(sys.executable).parent
MANIFESTS = Path(__file__).parents[2] / "manifests"

BARE = """\
import typer

app = typer.Typer()


@app.command()
def status() -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "state", "size")
    for number in range(14):
        table.add_row(str(number), "present", "1.26 GB")
    Console().print(table)


app()
"""


def main() -> None:
    """Time the commands in turn and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "bare.py").write_text(BARE)
        multiply(home / "extra")
        environ = {**os.environ, "MODELCTL_ROOT": str(home / "shelf"), "HF_HOME": str(home / "hf")}
        environ |= {"XDG_CONFIG_HOME": folder, "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
        (home / "hf" / "hub").mkdir(parents=True)
        commands = {
            "modelctl status": [str(BIN / "modelctl"), "status"],
            "bare Typer app, one rich table": [sys.executable, str(home / "bare.py")],
            "hf cache ls, empty cache": [str(BIN / "hf"), "cache", "ls"],
            f"modelctl status, {EXTRA} more manifests": [
                str(BIN / "modelctl"),
                "status",
                "--manifests",
                f"{home}/extra",
            ],
        }
        report(race(commands, environ))


def multiply(folder: Path) -> None:
    """Write copies of the fourteen under other names and locations."""
    folder.mkdir()
    originals = sorted(MANIFESTS.glob("*.yaml"))
    for number in range(EXTRA):
        text = originals[number % len(originals)].read_text()
        lines = [
            f"name: extra-{number}"
            if line.startswith("name:")
            else f"location: Extra/{number}/"
            if line.startswith("location:") and "null" not in line
            else line
            for line in text.splitlines()
        ]
        (folder / f"extra-{number}.yaml").write_text("\n".join(lines) + "\n")


def race(commands: dict[str, list[str]], environ: dict[str, str]) -> dict[str, list[float]]:
    """Run every command in turn, `ROUNDS` times after a warm-up; return the seconds of each run."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, env=environ, check=True, capture_output=True)
            if turn:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def report(seconds: dict[str, list[float]]) -> None:
    """Print the table that stands in RESULTS.md."""
    own = seconds["modelctl status"]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {ROUNDS} rounds\n")  # noqa: T201
    print("| command | min s | median s | `modelctl status` takes |")  # noqa: T201
    print("| --- | --- | --- | --- |")  # noqa: T201
    for name, runs in seconds.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(own, runs, strict=True))
        print(f"| {name} | {min(runs):.3f} | {statistics.median(runs):.3f} | {ratio:.2f} of it |")  # noqa: T201
    more = [slow - fast for fast, slow in zip(own, list(seconds.values())[-1], strict=True)]
    print(f"\n{EXTRA} more manifests add {statistics.median(more):.3f} s (median).")  # noqa: T201


if __name__ == "__main__":
    if not shutil.which(str(BIN / "hf")):
        sys.exit("the hf command is missing: run make bench")
    main()
