"""Runs: a folder per run, and every number in it beside what produced it.

A run folder, `outputs/<profile>/` by default, holds the executed notebooks, `figures/*.png`, `tables/*.csv`,
`models/<recipe>/` and `results.json`: one entry per notebook with its results and their provenance.
"""

from pathlib import Path

import pandas as pd
from IPython import get_ipython
from IPython.display import Image, display
from matplotlib import pyplot as plt

from cocola_lib.files import read_csv, read_json, whole, write_csv, write_json, write_text
from cocola_lib.notebook import plots
from cocola_lib.notebook.plots.dark import in_the_dark


class Run:
    """Where one notebook of a run leaves its figures, tables and results.

    Args:
        run_dir: the run folder, see `files.default_run_dir`.
        notebook: the notebook's name, e.g. "03_classification_tables"; it keys `results.json`.
    """

    def __init__(self, run_dir: str | Path, notebook: str):
        self.dir, self.notebook = Path(run_dir), notebook

    def figure(self, figure, name: str) -> None:
        """Save a figure as `figures/<name>.png`, and show that picture; in a dark theme, its dark copy."""
        with plots.laid_out(figure) as box, whole(self.dir / "figures" / f"{name}.png") as path:
            figure.savefig(path, format="png", dpi="figure", bbox_inches=box)
            if get_ipython() is not None:
                display(in_the_dark(figure, name, box), Image(path.read_bytes()))
                plt.close(figure)  # or the notebook would draw it once more

    def table(self, frame: pd.DataFrame, name: str) -> None:
        """Save a table as `tables/<name>.csv`."""
        write_csv(self.dir / "tables" / f"{name}.csv", frame)

    def text(self, content: str, name: str) -> None:
        """Save a text, such as a table in Markdown or LaTeX, as `tables/<name>`."""
        write_text(self.dir / "tables" / name, content)

    def read_table(self, name: str, needed_from: str) -> pd.DataFrame:
        """Read a table that an earlier notebook of this run left.

        Raises:
            FileNotFoundError: it is not there yet; says which notebook makes it.
        """
        path = self.dir / "tables" / f"{name}.csv"
        if not path.exists():
            raise FileNotFoundError(f"{path}: not there yet; run notebook {needed_from} of the same run first")
        return read_csv(path)

    def results(self, results: dict, provenance: dict, headline: str) -> None:
        """Add this notebook's entry to `results.json`.

        Args:
            results: plain numbers, strings, lists and dicts; NaN is stored as null.
            provenance: from `provenance`.
            headline: one sentence for the summary that `make run` prints.
        """
        path = self.dir / "results.json"
        entries = read_json(path) if path.exists() else {}
        entries[self.notebook] = {"headline": headline, "results": results, "provenance": provenance}
        write_json(path, dict(sorted(entries.items())))
