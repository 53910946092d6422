"""The rooms behind notebook 08: groups of songs, overlap, small trainings, textures, repeats, stems and bias."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from songs import write_songs

from cocola_lib import Scorer
from cocola_lib.classification import bias, cells, genres, overlap, stem_counts
from cocola_lib.data import audio
from cocola_lib.data.audio import SAMPLE_RATE
from cocola_lib.data.miniatures.band import Bar, Chord, Song
from cocola_lib.data.tracks import load_tracks
from cocola_lib.encoder import Cocola, ModelConfig
from cocola_lib.evaluation import hit_probability
from cocola_lib.hearing import edges, repeats, textures
from cocola_lib.models import checkpoints
from cocola_lib.models.bands import BANDS
from cocola_lib.notebook import exercises, questions
from cocola_lib.sampling import PairSpec


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return write_songs(tmp_path_factory.mktemp("songs"), n=6, seconds=12.0)


def tone(hz, seconds=5.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


# genres


def test_a_song_of_moisesdb_is_of_the_genre_that_it_names_and_other_songs_of_none(tmp_path, songs):
    song = tmp_path / "moisesdb" / "moisesdb_v0.1" / "00000000-0000-4000-8000-000000000000"
    stems = []
    for name in ("bass", "drums", "percussion"):
        audio.write(song / name / f"{name}.wav", tone(200, 6.0))
        stems.append({"stemName": name, "id": name, "tracks": [{"id": name, "trackType": name, "extension": "wav"}]})
    known = {"artist": "a", "song": "s", "genre": "Bossa_Nova", "stems": stems}
    (song / "data.json").write_text(json.dumps(known), encoding="utf-8")
    (track,) = load_tracks(tmp_path / "moisesdb")
    assert genres.style(track) == "bossa_nova"
    assert genres.select("jazz and latin", [track, *songs]) == [track]
    assert [t.stem_names for t in genres.select("percussion only", [track, *songs])] == [("drums", "percussion")]
    assert {genres.style(t) for t in songs} == {"unknown"}
    assert genres.select("everything", songs) == songs
    with pytest.raises(ValueError, match="jazz and latin"):
        genres.select("polka", songs)


# overlap


def test_rivals_are_counted_as_by_hand():
    specs = [PairSpec("a", t, ("x",), ("y",)) for t in (0.0, 2.5, 20.0)] + [PairSpec("b", 0.0, ("x",), ("y",))]
    found = overlap.rivals(specs)
    assert found["same_song"] == pytest.approx(6 / 12)  # three windows of a meet two others each
    assert found["overlapping"] == pytest.approx(2 / 12)
    assert found["shared"] == pytest.approx(0.5)


def test_windows_that_touch_do_not_overlap():
    specs = [PairSpec("a", t, ("x",), ("y",)) for t in (0.1, 5.1)]
    assert overlap.rivals(specs)["overlapping"] == 0


def test_a_larger_r_lets_more_windows_in_and_they_overlap_more(songs):
    counted = overlap.count(songs, 16, [0.0, 0.9], 4).set_index(["batch", "r"])
    for batch in counted.index.levels[0]:
        assert counted.loc[(batch, 0.0), "overlapping"] == 0
        assert counted.loc[(batch, 0.9), "overlapping"] > 0
        assert counted.loc[(batch, 0.0), "windows"] <= counted.loc[(batch, 0.9), "windows"] == 16


def test_the_exercise_on_rivals_knows_right_from_wrong():
    def right(songs):
        pairs = [(a, b) for i, a in enumerate(songs) for j, b in enumerate(songs) if i != j]
        return np.mean([a == b for a, b in pairs])

    assert exercises.check_same_song(right) == exercises.RIGHT
    assert exercises.check_same_song(lambda songs: np.mean(songs[:, None] == songs)).startswith("Not yet")


# small trainings


def test_the_smallest_encoder_hears_means_of_eight_frames_and_is_stored_and_read(tmp_path):
    torch.manual_seed(0)
    model = Cocola(ModelConfig(pooling=BANDS)).eval()
    x = -80 * torch.rand(2, 2, 64, 501)
    means = torch.stack([x[..., 8 * t : 8 * t + 8].mean(dim=-1) for t in range(62)], dim=-1)
    torch.testing.assert_close(model.backbone(x), means)
    checkpoints.save(tmp_path / "m", model)
    again = checkpoints.load(tmp_path / "m")[0].eval()
    assert torch.equal(model.embed(x), again.embed(x))


def test_every_pair_is_heard_once_in_a_round_and_the_order_follows_the_seed(songs, monkeypatch):
    monkeypatch.setattr(cells, "equalised", lambda features, rng: features)
    pool = cells.Shuffled(songs, 6, 2)

    def round_of(seed):
        torch.manual_seed(seed)
        return torch.cat([batch[:4] for batch, _ in zip(pool.batches(4), range(3), strict=False)])

    first, again, other = round_of(0), round_of(0), round_of(1)
    assert torch.equal(first, again) and not torch.equal(first, other)
    anchors = pool.features[:, 0]
    assert sorted(int((anchors == x).flatten(1).all(1).nonzero()[0]) for x in first) == list(range(12))


def test_a_batch_of_few_songs_is_heard_as_it_was_drawn(songs, monkeypatch):
    monkeypatch.setattr(cells, "equalised", lambda features, rng: features)
    crowd = cells.Crowded(songs[:2], 4, 2, 0.5, 0, "mel")
    batches = [batch for batch, _ in zip(crowd.batches(4), range(3), strict=False)]
    assert torch.equal(batches[0], batches[2]) and not torch.equal(batches[0], batches[1])
    torch.testing.assert_close(batches[1][:4], crowd.pools[1].features[:, 0])
    assert crowd.same_song > 0.3  # four windows of two songs


def test_a_cell_leaves_a_model_for_every_seed(tmp_path, songs, monkeypatch):
    monkeypatch.setattr(cells.miniatures, "open_tracks", lambda data_root, size, seed: songs)
    sizes = {"k": 4, "n_batches": 1, "n_pairs": 8, "seeds": [3, 5]}
    train = [t for t in songs if t.split == "train"]
    found = cells.train(tmp_path / "cell", {"data_root": None, "size": "tiny", "seed": 0}, sizes, channels="mel")
    assert list(found["seed"]) == [3, 5] and set(found["n_songs"]) == {len(train)}
    answered = cells.ask_all(found, tmp_path, {"here": cells.Shuffled(songs, 6, 1, kind="mel")})
    assert set(answered["seed"]) == {3, 5} and answered["accuracy"].between(0, 1).all()
    assert list(cells.summarise(answered, ["test"])["n_seeds"]) == [2]
    with pytest.raises(ValueError, match="no training track is classical"):
        cells.train(tmp_path / "none", {"data_root": None, "size": "tiny", "seed": 0}, sizes, heard="classical")


def test_partners_among_strangers_and_among_the_windows_of_the_same_song():
    matrix = np.random.default_rng(0).normal(size=(6, 6))
    alone = cells.ask(matrix, list("abcdef"), k=3)
    ways = (hit_probability(matrix, 3) + hit_probability(matrix.T, 3)) / 2
    np.testing.assert_allclose(alone["accuracy"], ways)
    assert cells.ask(matrix, list("abcdef"), rivals="same song").empty
    same = cells.ask(np.eye(4), list("aabb"), rivals="same song")
    assert list(same["accuracy"]) == [1.0, 1.0] and list(same["n_pairs"]) == [2, 2]


# edge cases


def test_each_texture_keeps_what_it_says():
    rng, x = np.random.default_rng(0), tone(440)
    gated = x * (np.arange(len(x)) // 4000 % 2)
    noise = textures.noise_in_rhythm(gated, rng)
    power = [np.square(y).reshape(-1, 4000).mean(axis=1) for y in (gated, noise)]
    assert np.corrcoef(*power)[0, 1] > 0.95
    assert not np.allclose(noise, gated)
    np.testing.assert_allclose(np.abs(np.fft.rfft(textures.drone(gated, rng))), np.abs(np.fft.rfft(gated)), atol=0.1)
    assert np.square(textures.drone(gated, rng)).reshape(-1, 8000).mean(axis=1).min() > 0.001  # it never stops
    grains = textures.granular(np.repeat(np.arange(50, dtype=np.float32), 1600), rng).reshape(50, 1600)[:, 800]
    assert sorted(grains) == list(range(50)) and list(grains) != list(range(50))
    assert (np.abs(grains - np.arange(50)) < 10).all()  # within a second
    np.testing.assert_array_equal(textures.rolled(np.arange(16000.0), 0.25)[4000:], np.arange(12000.0))


def test_a_tonal_line_has_the_pitch_of_the_clip_and_an_atonal_one_has_others():
    import librosa

    starts = np.zeros(5 * SAMPLE_RATE, dtype=np.float32)
    for i in range(8):
        starts[i * 9600 : i * 9600 + 4800] = tone(440, 0.3)
    lines = {tonal: textures.line(starts, np.random.default_rng(1), tonal) for tonal in (True, False)}
    shares = {}
    for tonal, line in lines.items():
        assert np.abs(line).max() > 0
        chroma = librosa.feature.chroma_stft(y=line, sr=SAMPLE_RATE, n_fft=4096, norm=None).sum(axis=1)
        shares[tonal] = chroma[9] / chroma.sum()  # A
    assert shares[True] > 2 * shares[False]


def test_the_better_of_two_accompaniments_is_counted_per_metric_and_mode():
    rows = [
        {"rater": "m", "mode": "both", "item": i, "track": f"t{i}", "accompaniment": name, "score": score}
        for i in range(4)
        for name, score in (("drone in key", 2.0), ("drone in a wrong key", 1.0 if i else 3.0))
    ]
    (row,) = edges.judge(pd.DataFrame(rows)).to_dict("records")
    assert (row["better"], row["channel"], row["mean"], row["n"]) == ("drone in key", "harmonic", 0.75, 4)


def a_song(chords, kinds):
    bars = [
        Bar(4.0 * i, 16, (0,), (Chord(root, (0, 4, 7)),), i, kind, i, False, 0.5, root)
        for i, (root, kind) in enumerate(zip(chords, kinds, strict=True))
    ]
    return Song("s", 0, "pop", 120.0, "4/4", 0.0, 0, "major", 0.1, tuple(bars), ())


def test_bars_come_again_where_chords_and_section_do():
    song = a_song([0, 5, 0, 5, 7, 9, 0, 5], ["verse"] * 6 + ["chorus"] * 2)
    assert repeats.shifts(song, 0, 2) == ([2], [3, 4, 5])  # bars 6 and 7 have the chords in another section
    np.testing.assert_allclose(repeats.bar_times(song)[:3], [0.1, 2.1, 4.1])
    assert repeats.bar_times(song)[-1] == pytest.approx(0.1 + 8 * 2)


def test_where_no_song_has_a_score_nothing_comes_again(songs):
    assert repeats.measure({"control": Scorer("control")}, songs, 4).empty


# stems, and bias


def test_stems_are_added_to_the_same_windows_and_no_side_takes_what_the_other_has(tmp_path):
    for song in range(3):
        for i, name in enumerate(("bass", "drums", "keys", "wind")):
            audio.write(tmp_path / f"song {song}" / f"{name}.wav", tone(110 * (i + 2) + 10 * song, 8.0))
    tracks = load_tracks(tmp_path, keep_unrelated=True)
    lists = stem_counts.nested(tracks, 3)
    for (a, b), specs in lists.items():
        for spec, small in zip(specs, lists[1, 1], strict=True):
            assert (len(spec.anchor), len(spec.positive)) == (a, b)
            assert set(small.anchor) <= set(spec.anchor) and set(small.positive) <= set(spec.positive)
            assert not set(spec.anchor) & set(spec.positive)
    control = Scorer("control")
    ranks = stem_counts.measure(control, lists, stem_counts.read(lists, tracks), "control")
    by_id = {t.id: t for t in tracks}
    (spec,) = lists[1, 3][:1]
    direct = control.score(
        *(by_id[spec.track_id].read(side, spec.start_s, 5.0) for side in (spec.anchor, spec.positive))
    )
    row = ranks[(ranks["test_set"] == "1 x 3") & (ranks["mode"] == "both") & (ranks["pair"] == 0)]
    assert row["score"].item() == pytest.approx(direct.both, abs=1e-4)


def asked(n, rng, weight):
    """Pairs whose scores are noise, 2 for the partner, and something for every onset of the accompaniment."""
    specs = [PairSpec(f"song {i}", 0.0, ("a",), ("b",)) for i in range(n)]
    sides = [pd.DataFrame(rng.normal(size=(n, 3)), columns=list(bias.QUANTITIES)) for _ in range(2)]
    matrix = 0.5 * rng.normal(size=(n, n)) + 2 * np.eye(n) + weight * sides[1]["onsets_per_s"].to_numpy()
    return bias.Asked(specs, *sides, {"m": matrix})


def test_a_bias_is_found_and_taken_out_and_accuracy_comes_back():
    rng = np.random.default_rng(0)
    valid, test = asked(40, rng, 1.5), asked(40, rng, 1.5)
    before = bias.slopes(test, test.matrices["m"]).set_index(["side", "quantity"])
    assert before.loc[("accompaniment", "onsets_per_s"), "low"] > 0.8
    assert before.loc[("anchor", "onsets_per_s"), "low"] < 0 < before.loc[("anchor", "onsets_per_s"), "high"]
    weights = bias.learn(valid, valid.matrices["m"])
    np.testing.assert_allclose(weights, [0, 0, 0, 0, 0, 0, 1.5], atol=0.05)
    after = bias.slopes(test, bias.corrected(test, test.matrices["m"], weights)).set_index(["side", "quantity"])
    assert abs(after.loc[("accompaniment", "onsets_per_s"), "slope"]) < 0.1
    table, worth = bias.worth(valid, test, [8])
    assert worth["low"].item() > 0.1
    means = table.set_index("scores")["accuracy"]
    assert means["corrected"] - means["as they are"] == pytest.approx(worth["difference"].item())


def test_clips_are_described_by_stems_level_and_onsets():
    t = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(size=len(t))
    slow, busy = (np.float32(np.exp(-30 * (t % gap)) * noise) for gap in (1.0, 0.2))
    spec = PairSpec("t", 0.0, ("a", "b"), ("c",))
    found = bias.describe([spec] * 4, "anchor", [slow, busy, tone(440), np.zeros_like(slow)])
    assert list(found["stems"]) == [2] * 4
    assert found["level_db"][2] == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.01)
    assert found["onsets_per_s"][1] > 1.5 * found["onsets_per_s"][0] > 0
    assert (found["level_db"][3], found["onsets_per_s"][3]) == (-100.0, 0.0)


# in words


def test_words_follow_the_interval():
    assert [questions.verdict(*ends, 0, "more", "less", "either") for ends in ((1, 2), (-2, -1), (-1, 1))] == [
        "more",
        "less",
        "either",
    ]
    assert questions.points(-0.001, -0.02, 0.031) == "+0 points [-2, 3]"
    assert questions.points(0.0123, 0.0, 0.02, 1) == "+1.2 points [0.0, 2.0]"


def test_home_and_away_are_told_apart_or_said_to_be_too_few():
    rows = pd.DataFrame(
        [
            ("classical", "classical", 0.9),
            ("classical", "groove", 0.6),
            ("groove", "groove", 0.7),
            ("everything", "groove", 0.1),
        ],
        columns=["heard", "test", "accuracy"],
    )
    assert questions.at_home(rows) == "models of one kind of music are right in 80% at home and in 60% away"
    assert questions.at_home(rows[:1]).startswith("fewer than two")
