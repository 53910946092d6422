"""Recordings: partners among strangers and within a piece, and outputs of generators, on folders made up here."""

import numpy as np
import pandas as pd
import pytest
from songs import write_bands
from tiny import clip
from typer.testing import CliRunner

from cocola_lib.classification import partners
from cocola_lib.data import audio
from cocola_lib.data.tracks import load_tracks
from cocola_lib.evaluation import hit_probability
from cocola_lib.sampling import PairSpec
from cocola_lib.workshop import recordings


class Shared:
    """Scores what two sides have in common: their correlation."""

    def matrix(self, first, second):
        return np.corrcoef(np.stack(first), np.stack(second))[: len(first), len(first) :]


class Wrong(Shared):
    """Prefers what Shared does not."""

    def matrix(self, first, second):
        return -super().matrix(first, second)


METRICS = {"shared": Shared(), "wrong": Wrong()}


def write_systems(root, n=3):
    """A system that answers with its context, one that answers a neighbour's, and one that is silent."""
    contexts = [clip(6.0, seed) for seed in range(n)]
    for i, context in enumerate(contexts):
        answers = {"echo": 0.5 * context, "mixed up": 0.5 * contexts[(i + 1) % n], "silent": 0 * context}
        for system, output in answers.items():
            audio.write(root / system / f"{i}" / "context.flac", context)
            audio.write(root / system / f"{i}" / "output.flac", output)
    return root


def test_where_all_others_are_rivals_a_hit_is_eq_4_in_both_directions():
    s = np.random.default_rng(0).standard_normal((6, 6))
    everyone = ~np.eye(6, dtype=bool)
    for k in (2, 3):
        expected = (hit_probability(s, k) + hit_probability(s.T, k)) / 2
        np.testing.assert_allclose(partners.hits(s, everyone, k), expected)


def test_who_meets_too_few_rivals_has_no_hit():
    rivals = np.array([[False, True, True], [True, False, False], [True, False, False]])
    found = partners.hits(np.eye(3), rivals, 3)
    assert found[0] == 1 and np.isnan(found[1:]).all()


def test_windows_of_the_same_piece_are_no_strangers_and_a_class_alone_is_asked_apart():
    sides = [("vox",), ("bass",), ("bass", "drums"), ("vocals",)]
    specs = [PairSpec(piece, 0.0, side, ("keys",)) for piece, side in zip("aabb", sides, strict=True)]
    asked = {(rivals, k): (met, used) for rivals, k, met, used in partners.questions(specs)}
    assert asked["strangers", 2][0].sum(axis=1).tolist() == [2, 2, 2, 2]
    assert asked["same piece", 2][0].sum(axis=1).tolist() == [1, 1, 1, 1]
    assert asked["strangers, voice alone on a side", 2][1].tolist() == [True, False, False, True]
    assert asked["strangers, no voice alone", 2][1].tolist() == [False, True, True, False]
    assert asked["strangers, bass alone on a side", 8][1].tolist() == [False, True, False, False]
    assert not [rivals for rivals, _ in asked if "keys" in rivals or "drums" in rivals]  # always there, or never alone


def test_each_source_is_found_and_one_that_is_apart_has_rows_of_its_own(tmp_path):
    for source in ("studio", "karaoke"):
        write_bands(tmp_path / source, n=2)
    tracks = load_tracks(tmp_path)
    assert [track.dataset for track in tracks] == ["karaoke"] * 2 + ["studio"] * 2
    assert len(load_tracks(tmp_path / "studio")) == 2
    table = partners.measure_pieces(tracks, METRICS, ["karaoke", "absent"], 6, seed=0)
    assert set(table["test"]) == {"pieces", "karaoke"}
    assert set(table["rater"]) == {"shared", "wrong", "shared - wrong"}
    assert table["n_pairs"].between(1, 6).all()
    rows = table[table["rivals"] == "strangers"].set_index(["test", "rater"])["value"]
    assert rows["pieces", "shared - wrong"] == pytest.approx(rows["pieces", "shared"] - rows["pieces", "wrong"])


def test_a_generator_that_answers_its_context_beats_one_that_mixes_them_up(tmp_path):
    table = recordings.measure_systems(write_systems(tmp_path), METRICS).set_index(["system", "rater"])
    assert table.loc[("echo", "shared"), "value"] == 1 and table.loc[("echo", "wrong"), "value"] == 0
    assert table.loc[("mixed up", "shared"), "value"] < 1
    assert "silent" not in table.index.get_level_values("system")
    mean = np.mean([table.loc[(system, "shared"), "value"] for system in ("echo", "mixed up")])
    assert table.loc[("mean", "shared"), "value"] == pytest.approx(mean)
    assert table.loc[("mean", "shared"), "n_pieces"] == 3


def test_the_ladder_is_in_order_only_if_every_rung_is_higher():
    rows = [(name, "up", i) for i, name in enumerate(recordings.LADDER)]
    rows += [(name, "flat", min(i, 3)) for i, name in enumerate(recordings.LADDER)]
    table = pd.DataFrame(rows, columns=["system", "rater", "score"])
    assert recordings.ladder(table)["in_order"].to_dict() == {"flat": False, "up": True}


def test_the_command_writes_the_table_and_what_it_was_made_with(tmp_path):
    write_bands(tmp_path / "pieces", n=3)
    write_systems(tmp_path / "generated")
    app, out = recordings.typer.Typer(), tmp_path / "table.csv"
    app.command()(recordings.main)
    words = [tmp_path / "pieces", "--generated", tmp_path / "generated", "--checkpoint", "control", "--out", out]
    done = CliRunner().invoke(app, [*map(str, words), "--pairs", "4"])
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out)
    assert set(table["test"]) == {"pieces", "generated"} and set(table["rater"]) == {"control"}
    assert table[["checkpoint", "seed", "command"]].notna().all().all()
    assert (table["data"].notna() == (table["test"] == "pieces")).all()
