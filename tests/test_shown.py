"""What others wrote is text on our pages: one door leads there, and nothing goes round it."""

import ast
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

from cocola_lib.files import REPO
from cocola_lib.notebook import plots
from cocola_lib.notebook.plots.tables import running_mean
from cocola_lib.notebook.shown import PLAIN, Table, Text

PACKAGE = REPO / "cocola_lib"
HOSTILE = "<img src=x onerror=alert(1)>"
ROUND_IT = {"HTML", "Markdown", "Latex", "Javascript", "IFrame", "Styler", "style", "to_html"}
OWN = {  # what these make HTML of is theirs, or escaped beside it
    "classification/genres.py": {"style"},  # of music, not of a frame
    "notebook/shown.py": {"to_html"},  # the door
    "notebook/panel.py": {"HTML"},  # documents of players, tables and sentences; escaped names before buttons
    "notebook/plots/dark.py": {"HTML"},  # a style with a picture, and the name that the notebook gives it
    "notebook/sources.py": {"HTML"},  # Pygments escapes what it colours
}


def names(source):
    """The names and attributes that code reads, and what it imports."""
    tree = ast.parse(re.sub(r"(?m)^( *)%", r"\1pass  # %", source))  # a magic is no Python
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {"style"}  # of a line, not of a frame
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found | {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


@pytest.mark.parametrize("room", ["notebook", "listening", "cli", "workshop", "accompaniment", "classification"])
def test_no_module_makes_html_but_the_door_and_two_that_say_why(room):
    found = {
        path.relative_to(PACKAGE).as_posix(): used
        for path in (PACKAGE / room).rglob("*.py")
        if (used := names(path.read_text(encoding="utf-8")) & ROUND_IT)
    }
    assert found == {path: used for path, used in OWN.items() if path.startswith(room)}


@pytest.mark.parametrize("path", sorted((REPO / "notebooks").rglob("*.ipynb")), ids=lambda path: path.stem)
def test_no_notebook_goes_round_the_door(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not names(cell.source) & ROUND_IT, cell.source


def test_a_way_round_the_door_is_noticed():
    for source in (
        "frame.style.hide()",
        "from IPython.display import HTML",
        "Markdown('x')",
        "df.to_html(escape=False)",
    ):
        assert names(source) & ROUND_IT


def test_every_part_of_a_table_is_text():
    frame = pd.DataFrame(
        {"item": [HOSTILE], HOSTILE: [(HOSTILE, "&")], "value": [0.5], "none": [np.nan]},
        index=pd.Index([HOSTILE], name="<b>index"),
    )
    shown = Table(frame, f"caption {HOSTILE}", missing="<none>")._repr_html_()
    assert shown.count("&lt;img src=x onerror=alert(1)&gt;") == 5
    assert "<img" not in shown and "<b>" not in shown and "<none>" not in shown
    assert "&amp;" in shown and "tex2jax_ignore" in shown


def test_numbers_of_a_table_are_written_as_asked_and_nothing_is_cut_off():
    frame = pd.DataFrame({"k": [2], "share": [0.123], "score": [1.5], "about": ["a" * 80]})
    shown = Table(frame, formats={"share": "{:.0%}"}, missing="-")._repr_html_()
    for cell in ("2", "12%", "1.50", "a" * 80):
        assert f"<td>{cell}</td>" in shown
    assert Table(frame.loc[[0]])._repr_html_().count("<th>") == 4  # numbers of rows are not shown


def test_the_index_of_a_table_has_its_name_beside_the_columns():
    wide = pd.DataFrame({"system": ["a", "b"], "metric": ["m", "n"], "v": [1.0, 2.0]})
    shown = Table(wide.pivot(index="system", columns="metric", values="v"), missing="-")._repr_html_()
    heads = [line.strip() for line in shown.splitlines() if "<th>" in line]
    assert heads == ["<th>system</th>", "<th>m</th>", "<th>n</th>"]
    assert shown.count("<td>-</td>") == 2


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        f"`{HOSTILE}`",
        f"a ` {HOSTILE}\n\n` b",
        "[press](javascript:alert(1))",
        "![x](http://127.0.0.1/x)",
        "<javascript:alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
        "&lt;b&gt;",
        "```<b>\nx\n```",
    ],
)
def test_a_sentence_holds_no_tag_link_or_image_of_others(text):
    shown = Text(f"The system {text} is **silent**.", summary=text)._repr_html_()
    tags = {part.split(">")[0].split()[0].strip("/") for part in shown.split("<")[1:]}
    assert tags <= {"div", "p", "strong", "code", "pre", "details", "summary"}, shown
    assert shown.startswith(f'<div class="{PLAIN}">')  # its summary too: no two dollar signs are a formula


def test_names_in_a_sentence_are_what_they_are():
    shown = Text("- **__init__ & _x_** costs $5_$\n- [0.1, 0.2]")._repr_html_()
    assert "<li><strong>__init__ &amp; _x_</strong> costs $5_$</li>" in shown
    assert "<li>[0.1, 0.2]</li>" in shown and "mathjax_ignore" in shown


def test_two_dollar_signs_and_an_underscore_in_a_name_are_drawn_as_they_are():
    with plt.rc_context():
        plots.use_theme()
        figure, ax = plt.subplots()
        running_mean(ax, [0.0, 1.0] * 500, 0.5, r"$a__b$ \frac")
        ax.text(20, 50, "$_^$")
        figure.canvas.draw()
        assert {"100", "1,000"} <= {label.get_text() for label in ax.get_xticklabels()}
        plt.close(figure)
