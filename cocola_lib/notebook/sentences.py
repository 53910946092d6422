"""Numbers in sentences: what notebooks say is made of what they measured."""

import numpy as np


def percent(value: float, low: float, high: float) -> str:
    """An accuracy and its interval for a sentence: "97 % [94, 99]"; a single track gives no interval."""
    interval = "no interval: one track" if np.isnan(low) else f"{100 * low:z.0f}, {100 * high:z.0f}"
    return f"{100 * value:z.0f} % [{interval}]"


def score(value: float, low: float, high: float) -> str:
    """A score and its interval: "1.70 [0.99, 2.41]"; "no score" for NaN, and no interval for a single track."""
    if np.isnan(value):
        return "no score"
    return f"{value:z.2f}" + ("" if np.isnan(low) else f" [{low:z.2f}, {high:z.2f}]")


def counted(n: int, one: str, several: str = "") -> str:
    """A number with its noun: "1 listener", "3 listeners"."""
    return f"{n} {one if n == 1 else several or one + 's'}"


def sentence(text: str) -> str:
    """A clause as a sentence: a capital letter in front, a full stop behind."""
    return f"{text[0].upper()}{text[1:]}."
