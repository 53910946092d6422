"""Tables I and II as people read them: ours beside the paper's, and files for other programs and papers.

A cell is a number with its interval, or says why there is none. Written as CSV, Markdown and LaTeX (booktabs).
"""

from collections.abc import Sequence

import pandas as pd

from cocola_lib.classification.lineup import Entrant
from cocola_lib.data import paper


def test_sets(datasets: Sequence[str]) -> dict[str, str | None]:
    """The columns: the paper's four test sets, each as it is here, then all others.

    Args:
        datasets: display names of those that are here.

    Returns:
        data set as it is here, or the paper's name where it is not -> the paper's name, or None for a set of one's own.
    """
    columns = {}
    for name, mini in paper.MINIATURE_OF.items():
        here = [d for d in (name, mini) if d in datasets]
        columns |= dict.fromkeys(here or [name], name)
    return columns | {d: None for d in datasets if d not in columns}


def side_by_side(
    accuracy: pd.DataFrame, entrants: Sequence[Entrant], datasets: Sequence[str], ks: Sequence[int], mode: str = "both"
) -> pd.DataFrame:
    """Ours beside the paper's: a row per model and K, two columns per test set.

    Args:
        accuracy: from `classification.accuracy`.
        entrants: all rows, those without a model too.
        datasets: test sets that are here.
        ks: of the table: (2,) for Table I, the others for Table II.

    Returns:
        Text, index (model, K), columns (test set, "ours" or "paper, <its test set>"); in %, 95 % intervals over tracks.
    """
    found = accuracy[accuracy["mode"] == mode]
    found = {(row.test_set, row.model, row.k): row for row in found.itertuples()}
    theirs = paper.accuracy().set_index(["model", "k", "test_set"])["accuracy"]
    columns = test_sets(datasets)
    rows = {}
    for entrant in entrants:
        capped = set()
        for k in ks:
            cells = rows[entrant.name, k] = {}
            for name, papers in columns.items():
                row = found.get((name, entrant.name, k))
                cells[name, "ours"] = _cell(row, entrant, name in datasets, (name, row and row.k_used) in capped)
                if row and row.k_used < k:
                    capped.add((name, row.k_used))
                if papers:
                    value = theirs.get((entrant.paper, k, papers))
                    cells[name, f"paper, {papers}"] = "" if value is None else f"{value:.2f}"
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(rows, names=["model", "K"])
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    return table


def _cell(row, entrant: Entrant, is_here: bool, said: bool) -> str:
    if entrant.missing:
        return f"not here: {entrant.missing}"
    if not is_here:
        return "no data: `cocola data list` says how to get it"
    if row is None:
        return "fewer than 2 pairs"
    if said:
        return f"only {row.n_pairs} pairs"
    interval = "one track" if pd.isna(row.low) else f"{100 * row.low:.1f}, {100 * row.high:.1f}"
    capped = f" at K = {row.k_used}, all it has" if row.k_used < row.k else ""
    return f"{100 * row.accuracy:.1f} [{interval}]{capped}"


def markdown(frame: pd.DataFrame) -> str:
    """A frame of text as a Markdown table; the levels of columns are joined by a comma."""
    cells = _flat(frame).map(lambda cell: str(cell).replace("|", "\\|"))
    return cells.to_markdown(index=False, disable_numparse=True) + "\n"  # 93.70 keeps its 0


def latex(frame: pd.DataFrame, caption: str, label: str) -> str:
    """A frame as a LaTeX table with booktabs rules (`\\usepackage{booktabs, multirow}`)."""
    plain = frame.map(lambda cell: str(cell).replace("`", ""))
    return plain.to_latex(
        escape=True,
        caption=caption.replace("%", "\\%").replace("&", "\\&"),
        label=label,
        column_format="l" * frame.index.nlevels + "r" * frame.shape[1],
        multicolumn_format="c",
    )


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    flat = frame.reset_index() if frame.index.names != [None] else frame.copy()
    flat.columns = [", ".join(filter(None, map(str, c))) if isinstance(c, tuple) else str(c) for c in flat.columns]
    return flat


def export(run, frame: pd.DataFrame, name: str, caption: str) -> None:
    """Write a table into the run: `tables/<name>.csv`, `.md` and `.tex`."""
    run.table(_flat(frame), name)
    run.text(markdown(frame), f"{name}.md")
    run.text(latex(frame, caption, f"tab:{name}"), f"{name}.tex")
