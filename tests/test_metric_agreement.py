"""Metrics against ratings: repetitions, levels, the bootstrap; where scores come from and what is refused."""

import numpy as np
import pandas as pd
import pytest
import small_study
from tiny import clip_file

from cocola_lib.listening import metric_agreement, metric_scores, mos, ratings, simulated
from cocola_lib.listening.metric_agreement import LEVELS, Level
from cocola_lib.notebook.runs import Run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    test = ratings.read(small_study.write(tmp_path_factory.mktemp("study") / "listening_tests"))
    return test, metric_agreement.join(test.rated, test.metrics)[0]


@pytest.mark.parametrize("level", LEVELS)
def test_a_draw_is_the_study_with_raters_and_songs_repeated(study, level):
    """The weights of one draw give what the repeated ratings give, each repetition a person or a song of its own."""
    joined, names = study[1], list(small_study.METRICS)
    rater, song = next(metric_agreement.draws(joined, 1, seed=3))
    copies = []
    for i in range(int(rater.max())):
        for j in range(int(song.max())):
            part = joined[(rater > i) & (song > j)]
            new = {"listener": part["listener"] + f"/{i}", "item": part["item"] + f"/{j}"}
            copies.append(part.assign(**new))
    repeated = pd.concat(copies)
    assert len(repeated) == (rater * song).sum()
    assert Level(joined, names, level).estimate(rater, song) == pytest.approx(Level(repeated, names, level).estimate())
    if level == "within trial":
        found = Level(joined, names, level).preference(rater, song)
        assert found == pytest.approx(Level(repeated, names, level).preference())


def test_draws_take_whole_raters_and_whole_songs(study):
    joined = study[1]
    for rater, song in metric_agreement.draws(joined, 5, seed=0):
        assert (joined.assign(w=rater).groupby("listener")["w"].nunique() == 1).all()
        assert (joined.assign(w=song).groupby("track")["w"].nunique() == 1).all()
        assert joined.assign(w=rater).groupby("listener")["w"].first().sum() == joined["listener"].nunique()


def test_a_metric_of_the_systems_alone_ranks_systems_and_says_nothing_within_them(study):
    joined = study[1].assign(named=study[1]["system"].map({"Ground Truth": 3.0, "moises": 2, "stage": 1, "sac": 0}))
    assert np.isnan(Level(joined[joined["system"] == "sac"], ["named"], "item").estimate()).all()
    of_systems = joined.groupby("system")[["named", "rating"]].mean()
    found = Level(joined, ["named"], "system").estimate()[0, 0]
    assert found == pytest.approx(np.corrcoef(of_systems.T)[0, 1])


def test_within_trials_ignores_what_moves_a_whole_page(study):
    joined = study[1]
    page = joined.groupby(["listener", "page"]).ngroup()
    moved = joined.assign(rating=joined["rating"] + 10 * page, clap=joined["clap"] - 7 * page)
    before, after = (Level(frame, ["clap", "cocola"], "within trial") for frame in (joined, moved))
    assert after.estimate() == pytest.approx(before.estimate())
    assert after.preference() == pytest.approx(before.preference())


def test_a_metric_that_is_the_rating_always_prefers_what_listeners_prefer(study):
    joined = study[1].assign(perfect=lambda t: t["rating"], opposite=lambda t: -t["rating"], same=0.0)
    level = Level(joined, ["perfect", "opposite", "same"], "within trial")
    assert level.preference() == pytest.approx([1, 0, 0.5])
    assert level.estimate()[:2] == pytest.approx(np.array([[1] * 3, [-1] * 3]))


def test_level_refuses_an_unknown_name(study):
    with pytest.raises(ValueError, match="use rating, item, within trial, system"):
        Level(study[1], ["clap"], "song")


def test_join_leaves_out_what_a_metric_did_not_score_and_says_how_many():
    rows = pd.DataFrame({"item": ["1", "1", "2"], "system": ["a", "b", "a"], "rating": [1, 2, 3]})
    scores = pd.DataFrame([("m", "1", "a", 1.0), ("m", "1", "b", np.nan)], columns=metric_scores.COLUMNS)
    joined, n_left = metric_agreement.join(rows, scores)
    assert joined["m"].tolist() == [1.0]
    assert n_left == 2
    with pytest.raises(ValueError, match="m scores a of item 1 twice"):
        metric_agreement.join(rows, pd.concat([scores, scores]))
    with pytest.raises(ValueError, match="no rated stimulus has a score of every metric"):
        metric_agreement.join(rows.assign(item="9"), scores)


def test_the_other_listeners_leave_the_rater_out():
    rows = [("a", "0", 1), ("b", "0", 2), ("c", "0", 4), ("a", "1", 3)]
    table = pd.DataFrame(rows, columns=["listener", "item", "rating"]).assign(system="s")
    assert metric_agreement.others_mean(table).to_numpy() == pytest.approx([3, 2.5, 1.5, np.nan], nan_ok=True)


def test_people_who_agree_are_a_perfect_metric_and_strangers_none(study):
    alike = study[1].assign(rating=study[1].groupby(["item", "system"])["rating"].transform("first"))
    people = metric_agreement.people(alike)
    assert (people["rating"], people["preference"]) == pytest.approx((1, 1))
    alone = metric_agreement.people(study[1].query("listener == '00'"))
    assert np.isnan(alone["rating"])
    assert alone["n_pairs"] == 0


def test_mean_opinions_hold_the_truth_about_as_often_as_they_say():
    """Coverage of 95 % intervals in 40 studies of 12 raters and 20 songs, which differ from study to study."""
    rng, n = np.random.default_rng(0), (12, 20, 2)  # raters, songs, systems
    keys = pd.MultiIndex.from_product([range(k) for k in n], names=["listener", "track", "system"])
    frame = keys.to_frame(index=False).assign(item=lambda t: t["track"])
    inside = []
    for seed in range(40):
        severity, song = 0.5 * rng.standard_normal((12, 1, 1)), 0.5 * rng.standard_normal((1, 20, 1))
        rating = np.array([1.0, 2.0]) + severity + song + rng.standard_normal(n)
        means = mos.system_means(frame.assign(rating=rating.ravel()), n_bootstrap=80, seed=seed).set_index("system")
        inside += [means["low"][s] <= s + 1 <= means["high"][s] for s in (0, 1)]
        inside.append(means["difference_low"][0] <= -1 <= means["difference_high"][0])
        assert means["difference"][0] == means["mean"][0] - means["mean"][1]
    assert 0.88 <= np.mean(inside) <= 1


def test_rank_gap_is_positive_where_the_metric_is_kinder(study):
    joined = study[1]
    worst = joined.groupby(["item", "system"])["rating"].mean().idxmin()
    score = (joined[["item", "system"]].apply(tuple, axis=1) == worst).astype(float)
    marks = mos.stimuli(joined.assign(odd=score), "odd").set_index(["item", "system"])
    assert marks["rank_gap"].idxmax() == worst


# Where scores come from


def reader(run):
    return lambda: run.read_table("04_scores", needed_from="04")


def run_with_04(folder, test):
    """A run whose notebook 04 scored what the test's listeners heard."""
    keys = test.rated[["item", "system", "track"]].drop_duplicates().reset_index(drop=True)
    scores = pd.concat(
        [keys.assign(rater=r, mode=m, score=np.arange(len(keys))) for r in ("COCOLA", "control") for m in ("P+H", "P")]
    )
    run = Run(folder, "07_mos_analysis")
    run.table(scores, "04_scores")
    return run


@pytest.fixture
def heard():
    stimuli = pd.DataFrame(
        [(s, i, "song") for i in range(3) for s in ("Random", "Ground Truth")], columns=["system", "item", "track"]
    )
    return simulated.simulate(stimuli, n_listeners=3, n_pages=3)


def test_scores_of_notebook_04_are_one_metric_per_scorer_and_mode(tmp_path, heard):
    found = metric_scores.find(heard, None, reader(run_with_04(tmp_path, heard)))
    assert set(found["metric"]) == {"COCOLA P+H", "COCOLA P", "control P+H", "control P"}
    joined, n_left = metric_agreement.join(heard.rated, found)
    assert (len(joined), n_left) == (len(heard.rated), 0)


def test_ratings_of_other_items_than_notebook_04_scored_are_refused(tmp_path, heard):
    run = run_with_04(tmp_path, heard)
    heard.ratings["track"] = "another song"
    with pytest.raises(ValueError, match="notebook 04 of this run did not score"):
        metric_scores.find(heard, None, reader(run))


def test_a_csv_of_metrics_goes_first(tmp_path, study):
    rows = study[0].rated[["item", "system"]].drop_duplicates().assign(metric="mine", score=1.0)
    rows.to_csv(tmp_path / "mine.csv", index=False)
    assert set(metric_scores.find(study[0], tmp_path / "mine.csv", reader(Run(tmp_path, "07")))["metric"]) == {"mine"}
    assert set(metric_scores.find(study[0], None, reader(Run(tmp_path, "07")))["metric"]) == set(small_study.METRICS)
    rows.drop(columns="score").to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(ValueError, match="short.csv: column 'score' is missing"):
        metric_scores.from_csv(tmp_path / "short.csv")
    with pytest.raises(FileNotFoundError, match="nowhere.csv: no such file"):
        metric_scores.from_csv(tmp_path / "nowhere.csv")


def test_a_system_called_na_keeps_its_scores_and_an_empty_score_is_missing(tmp_path):
    rows = [("None", "1", "NA", 1.5), ("None", "null", "b", "")]
    pd.DataFrame(rows, columns=metric_scores.COLUMNS).to_csv(tmp_path / "mine.csv", index=False)
    found = metric_scores.from_csv(tmp_path / "mine.csv")
    assert found[["metric", "item", "system"]].to_numpy().tolist() == [["None", "1", "NA"], ["None", "null", "b"]]
    assert found["score"].tolist() == pytest.approx([1.5, np.nan], nan_ok=True)


class Loudness:
    """A metric that is easy to compute: RMS of the output."""

    modes = ("both",)

    def matrices(self, conditionings, outputs):
        return {"both": np.tile([np.sqrt(np.mean(np.square(x))) for x in outputs], (len(conditionings), 1))}


def with_audio(folder):
    """Ratings of two items by two systems, whose outputs are louder the later they come."""
    rows = []
    for i in range(2):
        given = clip_file(folder / f"{i}.wav", 1.0, seed=i)
        for j, system in enumerate(("Random", "Ground Truth")):
            output = clip_file(folder / f"{i}-{j}.wav", 1.0 + i + j, seed=9)
            rows.append(("ann", "1", str(i), system, given, output))
    return pd.DataFrame(rows, columns=["listener", "page", "item", "system", "conditioning", "output"])


def test_audio_beside_ratings_is_scored_pair_by_pair(tmp_path):
    table = with_audio(tmp_path)
    found = metric_scores.from_audio(pd.concat([table, table]), {"loud": Loudness()})
    assert found["metric"].tolist() == ["loud P+H"] * 4
    expected = [np.sqrt(np.mean(np.square(metric_scores.audio.read(path)))) for path in table["output"]]
    assert found["score"].to_numpy() == pytest.approx(expected)


def test_audio_that_is_lost_or_there_for_some_only_is_named(tmp_path):
    table = with_audio(tmp_path)
    with pytest.raises(ValueError, match="Random of item 0 names no audio, others do"):
        metric_scores.from_audio(table.assign(output=["", *table["output"][1:]]), {"loud": Loudness()})
    (tmp_path / "1-0.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"1-0.wav: named by the ratings, not there"):
        metric_scores.from_audio(table, {"loud": Loudness()})


def test_every_metric_says_which_way_is_better_and_who_says_so():
    names = ["cocola", "control P", "my distance", "my similarity"]
    scores = pd.DataFrame({"metric": names, "item": "1", "system": "a", "score": 2.0})
    turned, directions = metric_scores.oriented(scores, "my distance")
    assert turned["score"].tolist() == [2, 2, -2, 2]
    says = directions.set_index("metric")["says"]
    assert says["cocola"].startswith("declared by its study")
    assert says["control P"].startswith("declared by this repository")
    assert says["my distance"] == "declared by you"
    assert says["my similarity"].startswith("ASSUMED")
    with pytest.raises(ValueError, match="'mine' is no metric of these ratings"):
        metric_scores.oriented(scores, "mine")
