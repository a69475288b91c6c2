from __future__ import annotations

import pytest

from modelctl.errors import UsageError
from modelctl.units import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("57GB", 57 * 10**9), ("200MiB", 200 << 20), ("1.5 tb", 1_500_000_000_000), ("12", 12), ("3k", 3000), (7, 7)],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-5GB", "5 XB", "1e9", "GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (327_428_481, "327 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1.00 GB"),
        (1_261_850_000, "1.26 GB"),
        (57_000_000_000, "57.0 GB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes_are_shown_with_three_digits(size: int, text: str) -> None:
    assert format_size(size) == text
