"""Comparison: the answers of several systems to one conditioning, side by side, with their scores and their sound.

Used by notebook 04.
"""

import html
from collections.abc import Callable, Hashable

import ipywidgets
import numpy as np
import pandas as pd

from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.notebook import players as listen
from cocola_lib.notebook.panel import Panel

CONDITIONING = "conditioning"  # what `clip` is asked for beside the systems' names


def compare(
    table: pd.DataFrame, clip: Callable[[Hashable, str], np.ndarray], item: Hashable | None = None
) -> "Compare":
    """A page of systems for one conditioning: their scores, sortable, and players.

    Args:
        table: tidy scores with columns item, system, score, and, where there are several, mode and rater (the
            metric); a column track names the items. Missing scores are shown as "-".
        clip: (item, system) -> (N,) float32 at 16 kHz, all of an item equally long; asked for the system
            "conditioning" as well.
        item: shown first; None is the table's first.

    Raises:
        ValueError: a column or the item is missing.
    """
    return Compare(table, clip, item)


class Compare(Panel):
    """See `compare`. `item` is what is shown now."""

    def __init__(self, table: pd.DataFrame, clip: Callable[[Hashable, str], np.ndarray], item: Hashable | None = None):
        missing = {"item", "system", "score"} - set(table.columns)
        if missing or table.empty:
            raise ValueError(f"table: no {' and no '.join(sorted(missing)) or 'rows'}; it needs item, system, score")
        items = list(dict.fromkeys(table["item"]))
        self.item = items[0] if item is None else item
        if self.item not in items:
            raise ValueError(f"item is {item!r}; the table has {items[0]!r} to {items[-1]!r}")
        self.table, self.clip = table, clip
        names = dict(zip(table["item"], table["track"], strict=True)) if "track" in table.columns else {}
        self.names = {i: f"{i}: {names[i]}" if i in names else str(i) for i in items}
        self.menu = ipywidgets.Dropdown(
            options=[(name, i) for i, name in self.names.items()],
            value=self.item,
            description="Conditioning",
            style={"description_width": "90px"},
            layout={"width": "100%", "max_width": "520px"},
        )
        super().__init__(above=[self.menu])
        self.menu.observe(self._changed, "value")
        self._changed()

    def scores(self) -> pd.DataFrame:
        """The shown item's scores: a row per system, a column per metric and mode, best of the first column on top."""
        rows = self.table[self.table["item"] == self.item]
        by = [column for column in ("rater", "mode") if column in rows.columns]
        names = rows[by].astype(str).agg(" ".join, axis=1) if by else pd.Series("score", index=rows.index)
        wide = rows.assign(_name=names).pivot_table(
            index="system", columns="_name", values="score", sort=False, dropna=False
        )
        wide = wide[list(dict.fromkeys(names))]
        return wide.sort_values(wide.columns[0], ascending=False)

    def _changed(self, _=None):
        self.item = self.menu.value
        try:
            self.show(self._document())
        except (ValueError, OSError, KeyError) as error:
            self.complain(f"item {self.item}: {error}")

    def _document(self) -> str:
        scores = self.scores()
        clips = {name: self.clip(self.item, name) for name in (CONDITIONING, *scores.index)}
        if len({clip.shape for clip in clips.values()}) > 1:
            lengths = ", ".join(f"{name} {len(clip) / SAMPLE_RATE:g} s" for name, clip in clips.items())
            raise ValueError(f"the clips are not equally long ({lengths}); pad the shorter ones")
        conditioning, *alone = listen.match_levels(list(clips.values()))
        mixed = listen.match_levels([conditioning + answer for answer in alone])
        names = ["system", *scores.columns, "with the conditioning", "alone"]
        head = "".join(
            f'<th scope="col"{" data-sort" if name in scores.columns else ""}>{html.escape(name)}</th>'
            for name in names
        )
        empty = "<td></td>" * len(scores.columns)
        body = (
            f'<tr data-fixed><th scope="row">{CONDITIONING}</th>{empty}<td>{_tag(conditioning, CONDITIONING)}</td></tr>'
        )
        for (system, row), answer, mix in zip(scores.iterrows(), alone, mixed, strict=True):
            cells = _tag(mix, f"{system}, with the conditioning"), _tag(answer, f"{system}, alone")
            body += f'<tr><th scope="row">{html.escape(system)}</th>{"".join(map(_score_cell, row))}'
            body += f"<td>{cells[0]}</td><td>{cells[1]}</td></tr>"
        title = f"The answers to {self.names[self.item]}; higher scores are more coherent"
        table = (
            f'<table class="cocola-sortable"><caption>{html.escape(title)}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>"
        )
        return listen.one_player(table, title)

    def __repr__(self) -> str:
        return f"compare: {', '.join(self.scores().index)} for {self.names[self.item]}"


def _tag(clip: np.ndarray, label: str) -> str:
    return listen.audio_tag(clip, label, small=True)


def _score_cell(score: float) -> str:
    return '<td data-value="">-</td>' if np.isnan(score) else f'<td data-value="{score:.6g}">{score:.2f}</td>'
