"""The one door through which words and numbers reach the page: every table and every sentence of the notebooks.

Names of tracks, stems and systems, made-up names of listeners, and the columns of other people's files are text, never
HTML, Markdown or mathematics: in a trusted notebook, a name that were read as HTML could run code in the kernel.
"""

import html
from functools import cache

import pandas as pd

PLAIN = "tex2jax_ignore mathjax_ignore"  # classes of what holds names: two dollar signs in one are no formula


class Table:
    """A frame as a table, escaped; shows itself at the end of a cell.

    Args:
        frame: its index is shown as columns, unless it only numbers the rows.
        caption: a line above the table.
        formats: how numbers with a fraction are written: one format for all, or one per column.
        missing: stands where there is no value.
    """

    def __init__(
        self, frame: pd.DataFrame, caption: str = "", formats: str | dict[str, str] = "{:.2f}", missing: str = ""
    ):
        if frame.index.names != [None] or not pd.api.types.is_integer_dtype(frame.index):
            frame = frame.rename_axis(index=lambda name: name or "").reset_index(allow_duplicates=True)
        self.frame = frame.rename_axis(columns=lambda _: None)
        self.caption, self.formats, self.missing = caption, formats, missing

    def _repr_html_(self) -> str:
        rows = self.frame.itertuples(index=False, name=None)
        cells = [[self._written(*cell) for cell in zip(self.frame, row, strict=True)] for row in rows]
        text = pd.DataFrame(cells, columns=self.frame.columns, dtype=object)
        with pd.option_context("display.max_colwidth", None):
            table = text.to_html(index=False, border=0, justify="left", classes=PLAIN)  # escapes header and cells
        start, rest = table.split(">", 1)
        return f"{start}><caption>{html.escape(self.caption)}</caption>{rest}" if self.caption else table

    def _written(self, column, value) -> str:
        if pd.api.types.is_scalar(value) and pd.isna(value):
            return self.missing
        pattern = self.formats if isinstance(self.formats, str) else self.formats.get(column, "{:.2f}")
        return pattern.format(value) if isinstance(value, float) else str(value)

    def __repr__(self) -> str:
        return "\n".join(filter(None, [self.caption, self.frame.to_string(index=False)]))


class Text:
    """Sentences, escaped; show themselves at the end of a cell.

    Args:
        text: paragraphs, lists, quotations, **bold**, *italic* and `code` as in Markdown, and nothing else: no HTML, no
            link, no image, no formula, so that a name in a sentence is what it is.
        summary: folds the text up under this line.
    """

    def __init__(self, text: str, summary: str = ""):
        self.text, self.summary = text, summary

    def _repr_html_(self) -> str:
        body = _markdown().render(self.text)
        if self.summary:
            body = f"<details><summary>{html.escape(self.summary)}</summary>{body}</details>"
        return f'<div class="{PLAIN}">{body}</div>'

    def __repr__(self) -> str:
        return self.text


@cache
def _markdown():
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import emphasis

    def stars(state, silent: bool) -> bool:
        return state.src[state.pos] == "*" and emphasis.tokenize(state, silent)

    reader = MarkdownIt("zero", {"html": False}).enable(["list", "blockquote", "fence", "backticks", "emphasis"])
    reader.inline.ruler.at("emphasis", stars)  # an underscore belongs to a name
    return reader
