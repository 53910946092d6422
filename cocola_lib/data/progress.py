"""The one progress bar: in a terminal and in a notebook, and nothing in a pipe or a file."""

from collections.abc import Iterable
from typing import Any


def bar(rows: Iterable | None = None, what: str = "", total: int | None = None, shown: bool = True, **options) -> Any:
    """A tqdm bar around an iterable, or one that is moved by hand where there is none.

    Args:
        rows: what is worked through; None for a bar that is told by `update`.
        what: shown before the bar.
        total: how many rows there are; None asks `rows`.
        shown: False hides the bar.
        options: further ones of tqdm, such as `unit`.
    """
    from tqdm.auto import tqdm

    return tqdm(rows, desc=what, total=total, disable=None if shown else True, **options)
