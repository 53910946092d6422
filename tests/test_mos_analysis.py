"""The whole analysis of notebook 07 against an independent one: loops, pandas, scipy and pingouin only.

Both read the same files: a small invented study, and the public study in ../shared/listening_test where it is there.
"""

import json
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
import small_study
from scipy import linalg, optimize, stats

from cocola_lib.listening import agreement, metric_agreement, mos, ratings, screening

REAL = Path(__file__).parents[2] / "shared" / "listening_test" / "listening_tests"
THREE = (stats.pearsonr, stats.spearmanr, stats.kendalltau)


@pytest.fixture(scope="module", params=["small", "real"])
def folder(request, tmp_path_factory):
    if request.param == "small":
        return small_study.write(tmp_path_factory.mktemp("study") / "listening_tests")
    if not REAL.is_dir():
        pytest.skip("../shared/listening_test is not there: the public ratings are not part of this repository")
    return REAL


@pytest.fixture(scope="module")
def ours(folder):
    """Ratings with metrics and z beside them, as notebook 07 has them; names of metrics."""
    test = ratings.read(folder)
    joined, n_left = metric_agreement.join(test.rated.assign(z=screening.z_scored(test.rated)), test.metrics)
    assert n_left == 0
    return joined, list(dict.fromkeys(test.metrics["metric"]))


@pytest.fixture(scope="module")
def theirs(folder):
    """The same from the files, without the library."""
    rows = []
    for file in sorted((folder / "user_ratings").glob("*.json")):
        for t in json.loads(file.read_text()):
            rows += [(file.stem, t["trial_index"], t["type"], t["folder"], s, r) for s, r in t["scores"].items()]
    table = pd.DataFrame(rows, columns=["rater", "trial", "type", "song", "system", "rating"])
    for file in sorted(folder.glob("results_*.json")):
        score = {
            (kind, row["song"], "og" if s == "gt" else s): row[s]
            for kind, songs in json.loads(file.read_text()).items()
            for row in songs
            for s in row
            if s != "song"
        }
        keys = zip(table["type"], table["song"], table["system"], strict=True)
        table[file.stem.removeprefix("results_")] = [score[key] for key in keys]
    by_rater = table.groupby("rater")["rating"]
    table["z"] = (table["rating"] - by_rater.transform("mean")) / by_rater.transform(lambda x: np.std(x.to_numpy()))
    table["stimulus"] = table["type"] + "/" + table["song"] + "/" + table["system"]
    return table.assign(page=table["rater"] + "-" + table["trial"].astype(str))


def test_every_rating_is_read(ours, theirs):
    joined, names = ours
    assert len(joined) == len(theirs)
    assert joined["listener"].nunique() == theirs["rater"].nunique()
    assert joined["rating"].sum() == theirs["rating"].sum()
    assert set(names) == set(theirs.columns[6 : 6 + len(names)])


@pytest.mark.parametrize("value", ["rating", "z"])
def test_system_means_are_those_of_pandas(ours, theirs, value):
    means = mos.system_means(ours[0], value, n_bootstrap=20).set_index("system")
    expected = theirs.groupby("system")[value].mean().rename({"og": "Ground Truth"})
    assert means["mean"].to_dict() == pytest.approx(expected.to_dict())
    assert (means["difference"] == means["mean"] - means.loc["Ground Truth", "mean"]).all()
    assert ((means["low"] < means["mean"]) & (means["mean"] < means["high"])).all()


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_is_what_pairs_of_ratings_say_one_by_one(ours, theirs, level):
    """Observed: all pairs of ratings of one stimulus; expected: all pairs of ratings of whatever stimuli."""
    shared = [r.tolist() for _, r in theirs.groupby("stimulus")["rating"] if len(r) > 1]
    pooled = sorted(rating for ratings_ in shared for rating in ratings_)
    midrank = {v: pooled.index(v) + pooled.count(v) / 2 for v in set(pooled)}
    distance = {
        "nominal": lambda a, b: a != b,
        "ordinal": lambda a, b: (midrank[a] - midrank[b]) ** 2,
        "interval": lambda a, b: (a - b) ** 2,
    }[level]
    d = {(a, b): float(distance(a, b)) for a in midrank for b in midrank}
    observed = sum(sum(d[a, b] for a in r for b in r) / (len(r) - 1) for r in shared)
    expected = sum(d[a, b] for a in pooled for b in pooled) / (len(pooled) - 1)
    found = agreement.krippendorff_alpha(agreement.matrix(ours[0]), level)
    assert found == pytest.approx(1 - observed / expected, abs=1e-10)


def test_icc_is_that_of_a_mixed_model_within_a_few_hundredths(ours, theirs):
    """Another estimator, restricted maximum likelihood with crossed random effects, written out."""
    y = theirs["rating"].to_numpy(dtype=float)
    same = [np.equal.outer(code, code) for code in (theirs["stimulus"].factorize()[0], theirs["rater"].factorize()[0])]

    def minus_log_likelihood(logs):
        stimuli, raters, residual = np.exp(logs)
        root = linalg.cholesky(stimuli * same[0] + raters * same[1] + residual * np.eye(len(y)), lower=True)
        one, white = linalg.solve_triangular(root, np.stack([np.ones(len(y)), y], axis=1), lower=True).T
        rest = white - one * (one @ white) / (one @ one)
        return np.log(np.diag(root)).sum() + np.log(one @ one) / 2 + rest @ rest / 2

    options = {"xatol": 0.01, "fatol": 0.001}
    found = np.exp(optimize.minimize(minus_log_likelihood, [-0.5, -1, 0], method="Nelder-Mead", options=options).x)
    icc = agreement.icc(agreement.matrix(ours[0]))
    assert icc["single"] == pytest.approx(found[0] / found.sum(), abs=0.03)
    k = stats.hmean(theirs.groupby("stimulus").size())
    assert icc["k"] == pytest.approx(k)
    assert icc["mean"] == pytest.approx(found[0] / (found[0] + found[1:].sum() / k), abs=0.03)


@pytest.mark.parametrize("value", ["rating", "z"])
@pytest.mark.parametrize(("level", "by"), [("rating", None), ("item", "stimulus"), ("system", "system")])
def test_correlations_of_ratings_items_and_systems_are_those_of_scipy(ours, theirs, level, by, value):
    joined, names = ours
    points = theirs.groupby(by)[[value, *names]].mean() if by else theirs
    expected = [[f(points[name], points[value])[0] for f in THREE] for name in names]
    assert metric_agreement.Level(joined, names, level, value).estimate() == pytest.approx(np.array(expected))


def test_correlations_within_trials_are_those_of_pingouin_and_of_loops(ours, theirs):
    joined, names = ours
    pages = [page for _, page in theirs.groupby("page")]
    expected = []
    for name in names:
        ranked = theirs.assign(
            x=theirs.groupby("page")[name].rank(), y=theirs.groupby("page")["rating"].rank()
        )  # mean ranks for ties
        pairs = [
            (np.sign(a[name] - b[name]), np.sign(a["rating"] - b["rating"]))
            for page in pages
            for a, b in combinations(page[[name, "rating"]].to_dict("records"), 2)
        ]
        x, y = np.array(pairs).T
        expected.append(
            (
                pingouin.rm_corr(theirs, x=name, y="rating", subject="page")["r"].iloc[0],
                pingouin.rm_corr(ranked, x="x", y="y", subject="page")["r"].iloc[0],
                (x * y).sum() / np.sqrt((x != 0).sum() * (y != 0).sum()),
            )
        )
    level = metric_agreement.Level(joined, names, "within trial")
    assert level.estimate() == pytest.approx(np.array(expected), abs=1e-6)


def test_preference_counts_pairs_of_a_page_that_were_rated_differently(ours, theirs):
    joined, names = ours
    level = metric_agreement.Level(joined, names, "within trial")
    for name, accuracy in zip(names, level.preference(), strict=True):
        right = []
        for _, page in theirs.groupby("page"):
            for a, b in combinations(page[[name, "rating"]].to_dict("records"), 2):
                if a["rating"] != b["rating"]:
                    right.append(0.5 + 0.5 * np.sign((a[name] - b[name]) * (a["rating"] - b["rating"])))
        assert level.n_pairs == len(right)
        assert accuracy == pytest.approx(np.mean(right))


def test_each_rater_is_compared_with_the_mean_of_the_others(ours, theirs):
    screened = screening.screen(ours[0]).set_index("listener")
    for rater, own in theirs.groupby("rater"):
        others = theirs[theirs["rater"] != rater].groupby("stimulus")["rating"].mean().rename("others")
        both = own.set_index("stimulus")[["rating"]].join(others).dropna()
        row = screened.loc[rater.removeprefix("results_")]
        assert row["leave_one_out"] == pytest.approx(stats.pearsonr(both["rating"], both["others"])[0])
        assert row["n_shared"] == len(both)


@pytest.fixture(scope="module")
def tables(ours):
    return metric_agreement.tables(*ours, n_bootstrap=200)


def test_tables_have_every_metric_on_every_level(ours, tables):
    names = ours[1]
    rows = [(level, name) for level in metric_agreement.LEVELS for name in names]
    assert list(tables[0][["level", "metric"]].itertuples(index=False, name=None)) == rows
    assert list(tables[1]["metric"]) == names
    for level in metric_agreement.LEVELS:
        estimate = metric_agreement.Level(*ours, level).estimate()
        found = tables[0].loc[tables[0]["level"] == level, ["r", "rho", "tau"]].to_numpy()
        assert found == pytest.approx(estimate)


def points(rows, names, level):
    """What a level correlates, from rows whose songs have a copy."""
    columns = ["rating", *names]
    if level == "rating":
        return rows[columns]
    if level == "item":
        return rows.groupby(["stimulus", "copy"])[columns].mean()
    return rows[columns] - rows.groupby("page")[columns].transform("mean")


@pytest.mark.parametrize("level", ["rating", "item", "within trial"])
def test_intervals_and_p_are_those_of_a_bootstrap_of_raters_and_songs_written_out(ours, theirs, tables, level):
    names, rng, drawn = ours[1], np.random.default_rng(7), []
    raters, songs = theirs["rater"].unique(), theirs["song"].unique()
    for _ in range(200):
        whose = pd.DataFrame({"rater": rng.choice(raters, len(raters))})
        which = pd.DataFrame({"song": rng.choice(songs, len(songs)), "copy": range(len(songs))})
        rows = whose.merge(theirs, on="rater").merge(which, on="song")
        drawn.append(points(rows, names, level).corr()["rating"][names])
    error = np.arctanh(pd.DataFrame(drawn)).std().to_numpy()
    found = tables[0].query("level == @level")
    z, low, high = (np.arctanh(found[column].to_numpy()) for column in ("r", "r_low", "r_high"))
    assert (high - z) / 1.96 == pytest.approx(error, rel=0.25)  # both are known to 5 %
    assert (z - low) == pytest.approx(high - z)
    assert found["r_p"].to_numpy() == pytest.approx(2 * stats.norm.sf(np.abs(z) / ((high - z) / 1.96)))


def test_p_of_systems_counts_all_orders_and_p_is_corrected_for_the_number_of_metrics(theirs, tables):
    correlations, preferences = tables
    corrected = [(rows, f"{c}_") for _, rows in correlations.groupby("level") for c in ("r", "rho", "tau")]
    for rows, prefix in [*corrected, (preferences, "")]:
        for how, name in (("holm", "holm"), ("bh", "fdr_bh")):
            expected = pingouin.multicomp(rows[f"{prefix}p"].to_numpy(), method=name)[1]
            assert rows[f"{prefix}{how}"].to_numpy() == pytest.approx(expected)
    for row in correlations[correlations["level"] == "system"].itertuples():
        means = theirs.groupby("system")[[row.metric, "rating"]].mean()
        orders = [abs(stats.pearsonr(means[row.metric], list(y))[0]) for y in permutations(means["rating"])]
        assert row.r_p == pytest.approx(np.mean(np.array(orders) >= abs(row.r) - 1e-9))


@pytest.mark.skipif(not REAL.is_dir(), reason="the public ratings are not part of this repository")
def test_the_public_study_gives_the_numbers_that_were_computed_apart():
    test = ratings.read(REAL)
    joined, names = metric_agreement.join(test.rated, test.metrics)[0], list(dict.fromkeys(test.metrics["metric"]))
    table = agreement.matrix(joined)
    assert table.shape == (22, 348)
    assert agreement.krippendorff_alpha(table, "ordinal") == pytest.approx(0.3363, abs=1e-4)
    r = dict(zip(names, metric_agreement.Level(joined, names, "item").estimate()[:, 0], strict=True))
    assert r["cocola"] == pytest.approx(0.193, abs=1e-3)
    assert r["phalar"] == pytest.approx(0.351, abs=1e-3)
