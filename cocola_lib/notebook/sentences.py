"""Numbers in sentences: what notebooks say is made of what they measured."""

import numpy as np


def percent(value: float, low: float, high: float) -> str:
    """An accuracy and its interval for a sentence: "97 % [94, 99]"; a single track gives no interval."""
    interval = "no interval: one track" if np.isnan(low) else f"{100 * low:.0f}, {100 * high:.0f}"
    return f"{100 * value:.0f} % [{interval}]"
