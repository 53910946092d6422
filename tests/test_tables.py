"""Tables as people read them: a cell is a number with its interval, or says why there is none and what to do."""

import csv

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cocola_lib.classification import answers, tables
from cocola_lib.classification.lineup import Entrant
from cocola_lib.notebook.plots import tables as plots
from cocola_lib.notebook.runs import Run
from cocola_lib.sampling import PairSpec

HERE = Entrant("bundled", "comes with it", "HPS All")
GONE = Entrant("all", "trained", "All", None, "`cocola train all`")
SETS = ["mini-musdb18hq", "mini-cocochorales", "my_music"]


@pytest.fixture
def accuracy():
    rng, ranks = np.random.default_rng(0), []
    for name, n in zip(SETS, (20, 7, 20), strict=True):
        specs = [PairSpec(f"t{i % 4}", float(i), ("bass",), ("drums",)) for i in range(n)]
        ranks.append(answers.rank({"both": rng.normal(size=(n, n)) + np.eye(n)}, specs, name, "bundled"))
    return answers.accuracy(pd.concat(ranks), [2, 8, 64])


def test_columns_are_the_papers_sets_as_they_are_here_and_then_ones_own():
    assert tables.test_sets(SETS) == {
        "mini-musdb18hq": "MUSDB18-HQ",
        "MoisesDB": "MoisesDB",
        "Slakh2100": "Slakh2100",
        "mini-cocochorales": "CocoChorales",
        "my_music": None,
    }


def test_the_papers_numbers_stand_in_columns_of_their_own(accuracy):
    table = tables.side_by_side(accuracy, [HERE, GONE], SETS, [2])
    assert table.loc[("bundled", 2), ("mini-musdb18hq", "paper, MUSDB18-HQ")] == "93.87"
    assert table.loc[("all", 2), ("MoisesDB", "paper, MoisesDB")] == "93.06"
    assert list(table["my_music"]) == ["ours"]
    ours = accuracy.set_index(["test_set", "k"]).loc[("mini-musdb18hq", 2)]
    expected = f"{100 * ours.accuracy:.1f} [{100 * ours.low:.1f}, {100 * ours.high:.1f}]"
    assert table.loc[("bundled", 2), ("mini-musdb18hq", "ours")] == expected


def test_a_missing_checkpoint_and_a_missing_data_set_say_how_to_get_them(accuracy):
    table = tables.side_by_side(accuracy, [HERE, GONE], SETS, [2])
    assert table.loc[("all", 2), ("my_music", "ours")] == "not here: `cocola train all`"
    assert table.loc[("bundled", 2), ("Slakh2100", "ours")].startswith("no data: `cocola data list`")
    assert (table != "").loc[("bundled", 2)].all()


def test_a_capped_k_is_said_once_and_then_only_the_number_of_pairs(accuracy):
    table = tables.side_by_side(accuracy, [HERE], SETS, [2, 8, 64])["mini-cocochorales"]["ours"]
    assert "at K" not in table["bundled", 2]
    assert table["bundled", 8].endswith("at K = 7, all it has")
    assert table["bundled", 64] == "only 7 pairs"


def test_a_single_track_has_no_interval_and_says_so():
    specs = [PairSpec("t", float(i), ("bass",), ("drums",)) for i in range(4)]
    ranks = answers.rank({"both": np.eye(4)}, specs, "my_music", "bundled")
    table = tables.side_by_side(answers.accuracy(ranks, [2]), [HERE], ["my_music"], [2])
    assert table.loc[("bundled", 2), ("my_music", "ours")] == "100.0 [one track]"


def test_the_three_files_hold_the_same_cells(accuracy, tmp_path):
    table = tables.side_by_side(accuracy, [HERE, GONE], SETS, [2, 8])
    tables.export(Run(tmp_path, "03"), table, "t", "Accuracy in %, P&H")
    folder = tmp_path / "tables"
    with (folder / "t.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:3] == ["model", "K", "mini-musdb18hq, ours"]
    lines = (folder / "t.md").read_text().splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == rows[1]
    assert len({line.count("|") for line in lines}) == 1
    tex = (folder / "t.tex").read_text()
    assert tex.count("\\toprule") == tex.count("\\bottomrule") == 1
    assert "Accuracy in \\%, P\\&H" in tex
    for cell in rows[1][2:]:
        assert cell.replace("`", "").replace("_", "\\_") in tex
    body = tex.split("\\midrule")[1].split("\\bottomrule")[0]
    ends = [line for line in body.splitlines() if line.rstrip().endswith("\\\\")]
    assert {line.count(" & ") for line in ends} == {table.shape[1] + 1}


def test_latex_leaves_no_special_character_bare():
    frame = pd.DataFrame({"a_b": ["50 % & more", "x#1"]}, index=pd.Index(["m_1", "m_2"], name="model"))
    tex = tables.latex(frame, "5 % of all", "tab:x")
    assert "50 \\% \\& more" in tex
    assert "x\\#1" in tex
    assert "m\\_1" in tex
    assert "caption{5 \\% of all}" in tex


def test_a_number_keeps_its_last_zero_in_markdown():
    assert "70.10" in tables.markdown(pd.DataFrame({"x": ["70.10", "53.01"]}))


def test_a_pipe_in_a_cell_does_not_end_it():
    assert "a\\|b" in tables.markdown(pd.DataFrame({"x": ["a|b"]}))


def test_the_figure_has_the_papers_row_and_column_beside_each_of_ours(accuracy):
    control, ours = Entrant("control", "nothing learnt"), Entrant("small all", "seconds", "All")
    both = pd.concat([accuracy, accuracy.assign(model="control"), accuracy.assign(model="small all")])
    figure, axes = plots.panels(2, (4, 3))
    plots.beside_the_paper(axes, both, [control, HERE, ours, GONE])
    labels = [[[t.get_text() for t in ticks] for ticks in (ax.get_yticklabels(), ax.get_xticklabels())] for ax in axes]
    assert labels[0][0] == ["small all", "bundled", "control"]
    assert labels[1][0] == ["All", "HPS All", "no such row"]
    assert labels[0][1] == SETS
    assert labels[1][1] == ["MUSDB18-HQ", "CocoChorales", "-"]
    printed = np.array(axes[1].images[0].get_array().filled(np.nan))
    assert printed[1, 0] == 93.87 and printed[0, 1] == 99.89 and np.isnan(printed[2]).all()
    plt.close(figure)
