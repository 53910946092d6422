"""Stems against the rest of their song, and clips all against all: the numbers of `Scorer.score`."""

import csv

import numpy as np
import pytest
from test_cli import run
from tiny import clip, clip_file, tiny_checkpoint, tiny_scorer

from cocola_lib.accompaniment.stem_scores import all_against_all, score_stems
from cocola_lib.data import audio
from cocola_lib.data.tracks import load_tracks


@pytest.fixture
def songs(tmp_path):
    """Three songs of three stems, 10 s; the pad of the second never sounds."""
    for i, song in enumerate(("a", "b", "c")):
        for j, stem in enumerate(("bass", "drums", "pad")):
            clip_file(tmp_path / "songs" / song / f"{stem}.wav", 10, 10 * i + j)
    audio.write(tmp_path / "songs" / "b" / "pad.wav", np.zeros(160_000))
    return tmp_path / "songs"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "model")


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_stem_meets_the_sum_of_the_others_and_of_the_next_song(songs):
    scorer, tracks = tiny_scorer(), sorted(load_tracks(songs), key=lambda track: track.id)
    rows, curves = score_stems(scorer, tracks)
    assert len(rows) == 9 and list(rows["stem"][:3]) == ["bass", "drums", "pad"]
    others = tracks[0].read(("drums", "pad"))
    expected = scorer.score(others, tracks[0].read(("bass",)))
    assert rows["both"][0] == pytest.approx(expected.both, abs=1e-5)
    assert (rows["both_low"][0], rows["both_high"][0]) == pytest.approx(expected.intervals["both"], abs=1e-5)
    stranger = scorer.score(tracks[1].read(("drums", "pad")), tracks[0].read(("bass",)))
    assert rows["random_harmonic"][0] == pytest.approx(stranger.harmonic, abs=1e-5)
    last = scorer.score(tracks[0].read(("drums", "pad")), tracks[2].read(("bass",)))
    assert rows["random_both"][6] == pytest.approx(last.both, abs=1e-5)
    first = curves[(curves["track"] == tracks[0].id) & (curves["stem"] == "bass")]
    np.testing.assert_allclose(first["percussive"], expected.curves["percussive"], atol=1e-5)
    assert list(first["start_s"]) == [0, 2.5, 5]


def test_a_silent_stem_has_a_reason_and_changes_no_sum(songs):
    (track,) = [track for track in load_tracks(songs) if track.id.endswith("/b")]
    rows, _ = score_stems(tiny_scorer(), [track], modes="both")
    bass, _, pad = (rows.loc[i] for i in range(3))
    assert np.isnan(pad["both"]) and "silent" in pad["reason"] and pad["windows"] == 0
    alone = tiny_scorer().score(track.read(("drums",)), track.read(("bass",)))
    assert bass["both"] == pytest.approx(alone.both, abs=1e-5)


def test_a_song_shorter_than_a_window_is_not_padded_and_a_song_alone_has_no_random(tmp_path):
    for stem in ("bass", "drums"):
        clip_file(tmp_path / "short" / "s" / f"{stem}.wav", 3)
    rows, curves = score_stems(tiny_scorer(), load_tracks(tmp_path / "short"))
    assert rows["both"].isna().all() and rows["reason"][0] == "3.00 s, shorter than a window of 5 s"
    assert curves.empty and "random_both" not in rows


def test_score_stems_writes_a_row_per_stem_and_the_curves(capsys, songs, model):
    out, curves = songs.parent / "stems.csv", songs.parent / "curves.csv"
    code, _, err = run(capsys, "score-stems", songs, "--checkpoint", model, "--out", out, "--curves", curves)
    assert code == 0 and "Random" not in err
    assert len(table(out)) == 9 and len(table(curves)) == 27 and table(out)[0]["random_both"]
    assert curves.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    code, out, err = run(capsys, "score-stems", songs / "a", "--checkpoint", model, "--mode", "both")
    assert code == 0 and len(out.splitlines()) == 4 and "one song, so there is no Random" in err


def test_all_against_all_are_the_scores_of_every_pair_in_both_directions(tmp_path):
    a = [clip_file(tmp_path / f"a{i}.wav", 5, i) for i in range(2)]
    b = [clip_file(tmp_path / f"b{i}.wav", 5, 10 + i) for i in range(3)]
    scorer = tiny_scorer(pooling="average")  # its W is not symmetric
    found = all_against_all(scorer, a, b, "both")
    row = found[(found["a"] == a[1]) & (found["b"] == b[2])].iloc[0]
    there, back = scorer.score(a[1], b[2]).both, scorer.score(b[2], a[1]).both
    assert (row["a_to_b"], row["b_to_a"]) == pytest.approx((there, back), abs=1e-5)
    assert row["both_ways"] == pytest.approx((there + back) / 2, abs=1e-5)
    assert len(found) == 6


def test_matrix_writes_a_table_and_a_heat_map(capsys, tmp_path, model):
    for i in range(2):
        clip_file(tmp_path / "a" / f"{i} $x$.wav", 5, i)
        clip_file(tmp_path / "b" / f"{i}.wav", 5, 5 + i)
    out = tmp_path / "m.csv"
    code, _, err = run(capsys, "matrix", tmp_path / "a", tmp_path / "b", "--checkpoint", model, "--out", out)
    assert code == 0 and "m.png" in err and (tmp_path / "m.png").stat().st_size > 1000
    assert len(table(out)) == 4 and {"a_to_b", "b_to_a", "both_ways"} <= set(table(out)[0])
    code, out, _ = run(capsys, "matrix", tmp_path / "a", tmp_path / "b", "--checkpoint", model, "--symmetric")
    assert code == 0 and out.splitlines()[0] == "a,b,mode,both_ways"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("matrix", "{}/none", "{}/none"), "none"),
        (("matrix", "{}", "{}", "--out", "{}/m.txt"), "tables are written as .csv or .json"),
        (("score-stems", "{}/none"), "none does not exist"),
        (("score-stems", "{}", "--curves", "{}/c.wav"), "tables are written as .csv or .json"),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, arguments, message):
    audio.write(tmp_path / "x.wav", clip())
    code, _, err = run(capsys, *(argument.format(tmp_path) for argument in arguments))
    assert code == 2 and message in err and len(err.splitlines()) == 1
