"""Who hears what: pages dealt to listeners like cards, so that all stimuli get equally many listeners.

The items stand in one seeded order, and every listener takes the next `pages` of them, round and round. The systems are
dealt in the same way: `per_page` of them to each page, such that the visits of one item go through all its systems, and
the pages of one listener do too. After any number of listeners the items' counts differ by one at most, and so do,
within an item, those of its systems. What a listener gets is a pure function of (study, slot), their place in the order
of arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Deal:
    """The numbers of a design."""

    n_items: int
    n_systems: int
    pages: int  # of rated items per listener
    per_page: int  # systems on each page

    def __post_init__(self):
        for name, value, most in (("pages", self.pages, self.n_items), ("per_page", self.per_page, self.n_systems)):
            if not 1 <= value <= most:
                raise ValueError(f"{name} is {value}; with this study it is a number from 1 to {most}")

    def hand(self, slot: int) -> list[tuple[int, list[int]]]:
        """The items that a listener hears, in the order of dealing, each with its systems (both as numbers from 0)."""
        hand = []
        for card in range(slot * self.pages, (slot + 1) * self.pages):
            visit, item = divmod(card, self.n_items)
            first = (item + visit) * self.per_page  # the next visit of an item goes on where this one ends
            hand.append((item, [(first + k) % self.n_systems for k in range(self.per_page)]))
        return hand


def plan(
    deal: Deal,
    grid: Sequence[Sequence[str]],
    anchors: Sequence[Sequence[str]],
    attention: Sequence[str],
    seed: int,
    slot: int,
) -> list[list[str]]:
    """The pages of one listener, in the order in which they are shown.

    Args:
        deal: the design.
        grid: (items, systems) ids of the rated stimuli.
        anchors: pages of hidden anchors that every listener gets: ids.
        attention: ids of attention clips; each goes to a page of its own, while there are pages.
        seed: of the study.
        slot: of the listener, from 0.

    Returns:
        pages of stimulus ids; same arguments, same pages.
    """
    study = np.random.default_rng([seed, 0])  # one order of items and systems for all listeners
    item_order, system_order = study.permutation(deal.n_items), study.permutation(deal.n_systems)
    own = np.random.default_rng([seed, 1, slot])
    pages = [[grid[item_order[i]][system_order[s]] for s in systems] for i, systems in deal.hand(slot)]
    for page, clip in zip(own.permutation(len(pages)), attention, strict=False):
        pages[page].append(clip)
    pages += [list(page) for page in anchors]
    for page in pages:
        own.shuffle(page)
    return [pages[i] for i in own.permutation(len(pages))]


def who_hears_what(plans: Sequence[Sequence[Sequence[str]]], stimuli: pd.DataFrame) -> pd.DataFrame:
    """All plans as a tidy table: listener (from 0), page and position (from 1), and the stimulus's own columns."""
    rows = [
        (listener, page + 1, position + 1, stimulus)
        for listener, pages in enumerate(plans)
        for page, clips in enumerate(pages)
        for position, stimulus in enumerate(clips)
    ]
    frame = pd.DataFrame(rows, columns=["listener", "page", "position", "stimulus"])
    return frame.merge(stimuli, on="stimulus", how="left")
