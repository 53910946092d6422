"""Screening of raters: who stands apart, by which rule, and nobody left out in silence (notebook 07)."""

import pandas as pd

from cocola_lib.listening.agreement import leave_one_out, matrix
from cocola_lib.listening.ratings import GROUND_TRUTH

RANDOM = "Random"  # stands for the low anchor where a test has no hidden ones, and the ground truth for the high one
HIGH = (GROUND_TRUTH, "(high anchor)")
MIN_AGREEMENT = 0.2  # Pearson r with the mean of all others, below which a rater is flagged


def z_scored(ratings: pd.DataFrame) -> pd.Series:
    """Ratings in standard deviations of their rater, from the rater's mean: milder and stricter raters made alike.

    A rater who gave everything the same rating said nothing: 0 throughout.
    """
    by_rater = ratings.groupby("listener")["rating"]
    deviation = by_rater.transform(lambda x: x.std(ddof=0))
    return ((ratings["rating"] - by_rater.transform("mean")) / deviation.where(deviation > 0)).fillna(0.0)


def screen(ratings: pd.DataFrame, min_agreement: float = MIN_AGREEMENT) -> pd.DataFrame:
    """One row per rater: how they used the scale, how they agree with the others, and what speaks against them.

    A rater is flagged who fails an attention check, agrees with the mean of the others by less than `min_agreement`,
    gave everything the same rating, or did not rate the high anchor above the low one (without hidden anchors: the
    ground truth above the system "Random").

    Args:
        ratings: tidy, with attention checks and hidden anchors (see `ratings`).

    Returns:
        listener, n, mean, sd, leave_one_out (r), n_shared (stimuli that others rated too), high_minus_low,
        attention ("2 of 3", "" without checks), flags (in words, "" = none).
    """
    rated = ratings[~ratings["attention"] & ~ratings["anchor"]]
    table = matrix(rated)
    agreement = leave_one_out(table)
    shared = table.loc[:, table.notna().sum() >= 2].notna().sum(axis=1)
    rows = []
    for listener, own in rated.groupby("listener"):
        everything, r = ratings[ratings["listener"] == listener], agreement[listener]
        gap = _high_minus_low(everything)
        checks = everything[everything["attention"]].dropna(subset="expected")
        passed = int((checks["rating"] == checks["expected"]).sum())
        reasons = {
            f"failed {len(checks) - passed} of {len(checks)} attention checks": passed < len(checks),
            "the same rating throughout": own["rating"].nunique() == 1,
            f"r = {r:.2f} with the others": r < min_agreement,
            "high anchor not above low anchor": gap <= 0,
        }
        rows.append(
            {"listener": listener, "n": len(own), "mean": own["rating"].mean(), "sd": own["rating"].std(ddof=0)}
            | {"leave_one_out": r, "n_shared": int(shared[listener]), "high_minus_low": gap}
            | {"attention": f"{passed} of {len(checks)}" if len(checks) else ""}
            | {"flags": "; ".join(reason for reason, holds in reasons.items() if holds)}
        )
    return pd.DataFrame(rows).sort_values("leave_one_out", ignore_index=True, na_position="first")


def _high_minus_low(own: pd.DataFrame) -> float:
    """One rater's high anchor minus the low one; without hidden anchors, the ground truth minus "Random"."""
    hidden = own[own["anchor"]]
    if hidden.empty:
        hidden = own[~own["attention"] & own["system"].isin([GROUND_TRUTH, RANDOM])]
    high = hidden["system"].isin(HIGH)
    return hidden.loc[high, "rating"].mean() - hidden.loc[~high, "rating"].mean()


def without_flagged(ratings: pd.DataFrame, screened: pd.DataFrame) -> pd.DataFrame:
    """The ratings of raters without flags, for a comparison beside all of them."""
    return ratings[~ratings["listener"].isin(screened.loc[screened["flags"] != "", "listener"])].reset_index(drop=True)
