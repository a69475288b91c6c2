"""The README says what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import regenerate
import typer

from modelctl.cli import app
from modelctl.errors import ModelctlError

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    return list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_the_help_blocks_are_what_help_prints() -> None:
    assert regenerate.with_help_blocks(README) == README


@pytest.mark.parametrize("name", commands())
def test_every_command_has_a_help_block(name: str) -> None:
    assert f"$ modelctl {name} --help" in README


def error_classes() -> list[type[ModelctlError]]:
    found: list[type[ModelctlError]] = []
    rest = [ModelctlError]
    while rest:
        found.append(rest.pop())
        rest += found[-1].__subclasses__()
    return found


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_exit_code_stands_in_the_readme(error: type[ModelctlError]) -> None:
    assert re.search(rf"^\| {error.exit_code} \| `{error.kind}` \|", README, re.MULTILINE)


def test_the_commands_of_the_makefile_stand_in_the_readme() -> None:
    assert "make demo" in README
    assert "make test" in README
