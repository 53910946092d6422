"""What a protocol says beside the table: values published under it, and a paragraph of methods for a paper."""

from importlib.metadata import version

import pandas as pd

from cocola_lib.accompaniment import items
from cocola_lib.accompaniment.measure import Trial
from cocola_lib.accompaniment.protocols import RANDOM, Protocol
from cocola_lib.accompaniment.table3 import COLUMNS, is_extra
from cocola_lib.scoring import Scorer

KINDS = ("Beat F1", "key", "chord", "FAD", "KAD", "APA")  # columns that are named one by one
PACKAGES = ("torch", "librosa", "mir_eval")  # whose versions change numbers


def published_rows(protocol: Protocol) -> pd.DataFrame:
    """What was published under a protocol, as rows of the table: marked as published, with their source."""
    rows = [
        (f"{system} (published)", metric, value, "lower" if metric.startswith("FAD") else "higher")
        for system, metric, value in protocol.published
    ]
    frame = pd.DataFrame(rows, columns=["system", "metric", "value", "better"])
    note = f"published, {protocol.source}; another checkpoint and other answers"
    return frame.assign(low=float("nan"), high=float("nan"), n=0, note=note)[list(COLUMNS)]


def paragraph(
    trial: Trial,
    protocol: Protocol,
    scorer: Scorer,
    table: pd.DataFrame,
    checks: pd.DataFrame,
    notes: list[str],
) -> str:
    """The methods in some sentences, to paste into a paper.

    Args:
        trial: what was judged. protocol, scorer: with what.
        table: the rows that were made. checks: from `items.check_items`.
        notes: what the evaluation remarked; failures of trackers are repeated here.
    """
    systems = [name for name in trial.answers if name in set(table["system"])]
    measured = table[table["value"].notna()]
    columns = [m for m in dict.fromkeys(measured["metric"]) if m.startswith(KINDS) and not is_extra(m)]
    empty = [m for m in dict.fromkeys(table["metric"]) if m not in set(measured["metric"])]
    flagged = checks[checks["flag"] != ""].groupby("system").size()
    name = scorer.checkpoint.name if scorer.checkpoint else "a model in memory"
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    sentences = [
        f"Accompaniments were judged under the protocol {protocol.name} ({protocol.source}): {len(systems)} systems, "
        f"{len(trial.ids)} questions of {trial.cut_s:.2f} s from {len(set(trial.tracks))} conditionings or songs.",
        f"COCOLA Scores are means over windows of 5 s by the checkpoint {name} ({scorer.hash}; cocola-lib "
        f"{version('cocola-lib')}, {versions}), beside a control of chroma and onsets without learning.",
        f"Random is {RANDOM[protocol.random]}.",
        f"Further columns: {'; '.join(columns)}." if columns else "",
        "Intervals are 95 %: a bootstrap over conditionings for means, a jackknife over them for distances.",
        f"Flagged answers (near-silent below {items.NEAR_SILENT_DBFS:g} dBFS, or correlated with the conditioning by "
        f"{items.LEAK:g} or more): {', '.join(f'{system} {n}' for system, n in flagged.items()) or 'none'}.",
        f"Not measured: {', '.join(empty)}." if empty else "",
        *(note for note in notes if note.startswith("Beat F1")),
    ]
    return " ".join(sentence for sentence in sentences if sentence)
