"""Writes what is generated from the program: the manifests' JSON Schema and the README's help blocks."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from typer.testing import CliRunner

from modelctl import manifest
from modelctl.cli import app

ROOT = Path(__file__).parent.parent
COLUMNS = 100

_HELP = re.compile(r"(?P<head>```text\n\$ modelctl(?P<words>[a-z ]*) --help\n).*?(?P<tail>```)", re.DOTALL)


def help_of(words: list[str]) -> str:
    """Return what `modelctl WORDS --help` prints, at a fixed width."""
    runner = CliRunner(env={"NO_COLOR": "1", "COLUMNS": str(COLUMNS), "TERMINAL_WIDTH": str(COLUMNS)})
    result = runner.invoke(app, [*words, "--help"], prog_name="modelctl", terminal_width=COLUMNS)
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines()) + "\n"


def with_help_blocks(text: str) -> str:
    """Return the README with every help block as the program prints it."""
    return _HELP.sub(lambda match: match["head"] + help_of(match["words"].split()) + match["tail"], text)


def main() -> None:
    """Rewrite both."""
    (ROOT / "manifests" / "schema.json").write_bytes(manifest.json_schema())
    readme = ROOT / "README.md"
    readme.write_text(with_help_blocks(readme.read_text()))
    typer.echo("manifests/schema.json and the README's help blocks are fresh")


if __name__ == "__main__":
    main()
