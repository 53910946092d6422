"""Frechet distances against closed forms, scipy's matrix square root and torchmetrics; moments against numpy."""

import numpy as np
import pytest
import scipy.linalg

from cocola_lib.accompaniment.frechet import (
    Moments,
    adherence,
    fad_infinity,
    frechet_distance,
    jackknife,
    per_item,
    shrunk,
    total,
)


def exactly(mean, covariance, n=1_000):
    """Moments that hold exactly this mean and covariance."""
    mean = np.asarray(mean, dtype=float)
    return Moments(n, mean, np.asarray(covariance, dtype=float).reshape(len(mean), len(mean)) * (n - 1))


def rows(n, d, seed, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + shift


def by_sqrtm(a, b):
    """The textbook: tr(S1 + S2 - 2 (S1 S2)^(1/2)) with a general matrix square root."""
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance)
    return np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance + b.covariance - 2 * root.real)


def test_one_dimension_is_the_difference_of_means_and_of_deviations():
    a, b = exactly([1.0], [[4.0]]), exactly([4.0], [[25.0]])
    assert frechet_distance(a, b) == pytest.approx(3**2 + (5 - 2) ** 2, rel=1e-12)


def test_commuting_covariances_compare_root_by_root():
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    first, second = np.arange(1.0, 7), np.array([0.0, 9, 1, 25, 4, 0.01])
    a, b = (exactly(np.full(6, m), rotation @ np.diag(s) @ rotation.T) for m, s in ((0, first), (0.5, second)))
    expected = 6 * 0.25 + np.sum((np.sqrt(first) - np.sqrt(second)) ** 2)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-7)  # the root of a zero eigenvalue is 1e-8


def test_the_distance_between_equal_sets_is_zero_and_never_below():
    a = Moments.of(rows(300, 40, 0))
    assert 0 <= frechet_distance(a, a) < 1e-9 * np.trace(a.covariance)


def test_the_distance_is_symmetric_and_scales_with_the_square_of_the_embedding():
    x, y = rows(200, 10, 1), rows(150, 10, 2, 2.0, 0.3)
    there = frechet_distance(Moments.of(x), Moments.of(y))
    assert frechet_distance(Moments.of(y), Moments.of(x)) == pytest.approx(there, rel=1e-9)
    assert frechet_distance(Moments.of(3 * x), Moments.of(3 * y)) == pytest.approx(9 * there, rel=1e-9)


@pytest.mark.parametrize("d", [2, 16, 96])
def test_equals_the_textbook_formula_with_a_matrix_square_root(d):
    a, b = Moments.of(rows(4 * d, d, d)), Moments.of(rows(5 * d, d, d + 1, 1.5, 0.2))
    assert frechet_distance(a, b) == pytest.approx(by_sqrtm(a, b), rel=1e-6)


@pytest.mark.parametrize("d", [8, 64])
def test_equals_torchmetrics_a_second_implementation(d):
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class AsItIs(torch.nn.Module):
        num_features = d

        def forward(self, x):
            return x

    x, y = (rows(6 * d, d, seed, shift=seed) for seed in (3, 4))
    metric = FrechetInceptionDistance(feature=AsItIs()).set_dtype(torch.float64)
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(float(metric.compute()), rel=1e-6)


def test_moments_added_in_pieces_are_those_of_all_rows_even_far_from_the_origin():
    x = rows(500, 7, 5) + 1e6
    pieces = total([Moments.of(part) for part in np.array_split(x, [1, 3, 250])])
    np.testing.assert_allclose(pieces.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(pieces.covariance, np.cov(x, rowvar=False), rtol=1e-8)


def test_taking_rows_away_undoes_adding_them():
    a, b = Moments.of(rows(50, 4, 6)), Moments.of(rows(20, 4, 7, shift=2))
    back = (a + b) - b
    assert back.n == a.n
    np.testing.assert_allclose(back.mean, a.mean, atol=1e-12)
    np.testing.assert_allclose(back.scatter, a.scatter, atol=1e-9)
    with pytest.raises(ValueError, match="none is left"):
        a - a


def test_too_few_rows_are_refused_with_a_way_out():
    a, b = Moments.of(rows(30, 64, 8)), Moments.of(rows(200, 64, 9))
    with pytest.raises(ValueError, match=r"30 embeddings of 64 dimensions.*singular='shrink'"):
        frechet_distance(a, b)
    assert frechet_distance(a, b, "shrink") > 0
    assert frechet_distance(a, a, "shrink") == pytest.approx(0, abs=1e-9 * np.trace(a.covariance))
    with pytest.raises(ValueError, match="singular is 'yes'"):
        frechet_distance(a, b, "yes")


def test_shrinkage_equals_scikit_learn_and_repairs_the_rank():
    covariance = pytest.importorskip("sklearn.covariance")  # librosa brings it
    x = rows(30, 64, 10)
    ours, share = shrunk(Moments.of(x))
    theirs = covariance.OAS().fit(x)
    assert share == pytest.approx(theirs.shrinkage_, rel=1e-9)
    np.testing.assert_allclose(ours, theirs.covariance_ * 30 / 29, rtol=1e-9, atol=1e-12)
    assert np.linalg.matrix_rank(ours) == 64


def test_infinity_takes_the_bias_of_few_rows_away():
    """Two samples of one distribution are 0 apart; small samples say more, the extrapolation says about 0."""
    rng = np.random.default_rng(0)
    reference = Moments.of(rng.standard_normal((20_000, 16)))
    items = [Moments.of(rng.standard_normal((5, 16))) for _ in range(120)]
    found = fad_infinity(reference, items)
    plain = frechet_distance(reference, total(items))
    assert abs(found["value"]) < 0.15 * plain
    assert found["slope"] > 0 and found["r2"] > 0.9
    with pytest.raises(ValueError, match="5 items; 6 or more"):
        fad_infinity(reference, items[:5])


def test_the_odd_item_is_the_farthest():
    reference = Moments.of(rows(400, 6, 12))
    items = [Moments.of(rows(8, 6, 12 + i)) for i in range(5)] + [Moments.of(rows(8, 6, 12, shift=50))]
    assert per_item(reference, items).argmax() == 5


def test_adherence_is_one_for_true_pairs_zero_for_shuffled_ones_and_between_for_a_blend():
    def apa(x):
        candidates, real, shuffled = (exactly([mean, 0], np.eye(2)) for mean in (x, 0, 2))
        pairs = ((candidates, real), (candidates, shuffled), (real, shuffled))
        return float(adherence(*(frechet_distance(a, b) for a, b in pairs)))

    assert apa(0) == 1.0
    assert apa(2) == 0.0
    assert apa(1) == pytest.approx(0.5, abs=1e-12)
    # FD(C, R') - FD(C, R) = 9/4 - 1/4 at a quarter of the way; 1/2 + 2 / (2 * 4)
    assert apa(0.5) == pytest.approx(0.75, abs=1e-12)
    assert apa(-9) == 1.0  # clipped
    assert np.isnan(adherence(1.0, 1.0, 0.0))  # the embedder does not tell true pairs from shuffled ones


def test_the_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(1).standard_normal(25)
    low, high = jackknife(x.mean(), [np.delete(x, i).mean() for i in range(25)])
    assert (high - low) / 2 == pytest.approx(1.96 * x.std(ddof=1) / 5, rel=1e-9)
    assert np.isnan(jackknife(0.0, [1.0, 2.0])).all()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros((0, 4)), r"shape \(0, 4\)"),
        (np.array([[1.0, 2], [np.nan, 1]]), "1 of 2 rows hold NaN or infinity, the first is row 1"),
    ],
)
def test_what_is_no_table_of_embeddings_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Moments.of(bad)


def test_two_embedders_are_never_compared():
    with pytest.raises(ValueError, match="not the same embedder"):
        frechet_distance(Moments.of(rows(9, 2, 0)), Moments.of(rows(9, 3, 0)))
