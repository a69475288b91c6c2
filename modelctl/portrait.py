"""Features for the eye: tags with bars, or a heat map of the frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    import numpy as np

    from modelctl.features import Features

TOP_TAGS = 10
HEAT_ROWS = 8
MOST_GROUPS = 24
WIDEST = 100
"""Columns that a portrait takes at most."""
SHADES = " ░▒▓█"
SPARKS = "▁▂▃▄▅▆▇█"


def print_all(heard: Sequence[tuple[Path, Features]], out: Console) -> None:
    """Print what one model heard in each recording."""
    for _path, features in heard:
        print_features(features, out)


def print_features(features: Features, out: Console) -> None:
    """Print what one model heard in one recording."""
    rows, dim = features.values.shape
    what = f"{rows} × {dim}" if rows > 1 else f"{dim} values"
    layer = features.provenance.get("layer")
    out.print(
        Text.assemble(
            (features.provenance["audio"]["name"], "bold"),
            f"  {features.provenance['model']}",
            f" {layer}" if layer is not None else "",
        )
    )
    out.print(Text(f"{what}, {_span(features)}", "dim"))
    if _are_tags(features):
        _print_tags(features, out)
    elif rows == 1:
        _print_vector(features, out)
    else:
        _print_heat(features.values, out)
    for warning in features.provenance["audio"]["warnings"]:
        out.print(Text.assemble(("warning: ", "yellow"), warning))


def _span(features: Features) -> str:
    seconds = features.provenance["audio"]["seconds"]
    times = features.times
    if len(times) == 1:
        return f"one vector for {seconds:.2f} s"
    return f"from {times[0]:.2f} s to {times[-1]:.2f} s, one each {times[1] - times[0]:.3g} s, of {seconds:.2f} s"


def _are_tags(features: Features) -> bool:
    """Tell probabilities with names from other values."""
    values = features.values
    return (
        bool(features.names)
        and features.provenance.get("layer") is not None
        and bool(((values >= 0) & (values <= 1)).all())
    )


def _print_tags(features: Features, out: Console) -> None:
    best = features.clip.argsort()[::-1][:TOP_TAGS]
    widest = max(len(features.names[index]) for index in best)
    room = max(2, min(out.width, WIDEST) - widest - 10)
    over_time = _squeezed(features.values, max(1, room // 2)) if len(features.values) > 1 else None
    for index in best:
        share = float(features.clip[index])
        bar = "█" * round(share * (room // 2))
        line = Text.assemble(
            (f"{features.names[index]:>{widest}}", "bold"), f" {share:6.1%} ", (f"{bar:<{room // 2}}", "cyan")
        )
        if over_time is not None:
            line.append(f" {_sparks(over_time[:, index], float(over_time[:, best].max()))}", "dim")
        out.print(line, no_wrap=True, overflow="crop")


def _print_vector(features: Features, out: Console) -> None:
    """Print one row for each group of names: how its values lie among all of them, from the least to the greatest."""
    row = features.values[0]
    heights = row.argsort().argsort() * (len(SPARKS) - 1) // max(1, len(row) - 1)
    groups: dict[str, list[int]] = {}
    for at, name in enumerate(features.names or [""] * len(row)):
        groups.setdefault(re.split(r"[._]", name)[0], []).append(int(heights[at]))
    if len(groups) > MOST_GROUPS:
        groups = {"": [int(height) for height in heights]}
    widest = max(map(len, groups))
    room = max(1, min(out.width, WIDEST) - widest - 6)
    for name, group in groups.items():
        line = Text.assemble((f"{name:>{widest}} ", "bold"), (f"{len(group):>4} ", "dim"))
        line.append("".join(SPARKS[height] for height in group[:: -(-len(group) // room)]), "cyan")
        out.print(line, no_wrap=True, overflow="crop")


def _print_heat(values: np.ndarray, out: Console) -> None:
    """Print time from left to right and the columns, in equal groups, from top to bottom."""
    import numpy as np

    room = max(1, min(out.width, WIDEST))
    grid = _squeezed(_squeezed(values, room).T, HEAT_ROWS)
    low, high = np.percentile(grid, [2, 98], axis=1, keepdims=True)
    shares = np.clip((grid - low) / np.maximum(high - low, 1e-12), 0, 1)
    wide = max(1, room // grid.shape[1])
    for row in shares:
        cells = (SHADES[round(float(share) * (len(SHADES) - 1))] * wide for share in row)
        out.print(Text("".join(cells), "cyan"), no_wrap=True, overflow="crop")


def _squeezed(values: np.ndarray, rows: int) -> np.ndarray:
    """Return at most `rows` rows, each the mean of an equal stretch."""
    import numpy as np

    if len(values) <= rows:
        return values
    return np.stack([part.mean(axis=0) for part in np.array_split(values, rows)])


def _sparks(values: np.ndarray, highest: float) -> str:
    scale = (len(SPARKS) - 1) / (highest or 1.0)
    return "".join(SPARKS[min(len(SPARKS) - 1, int(value * scale))] for value in values)
