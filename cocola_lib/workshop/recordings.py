"""Recordings: how often a score finds the partner in music by people, and the right output of a generator.

    python -m cocola_lib.workshop.recordings FOLDER [--generated FOLDER] [--checkpoint X ...] --out CSV

FOLDER holds pieces as folders of stems, or folders of such folders, one per source. Two disjoint sub-mixes of a window
are a true pair (`classification.partners`). Sources that are unlike the others, such as karaoke with amateur singers,
get rows of their own. The folder of generators holds SYSTEM/EXAMPLE/{context,output}.flac: a context should score
higher with its own output than with those that the same system gave to other contexts.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from cocola_lib.accompaniment.items import NEAR_SILENT_DBFS
from cocola_lib.accompaniment.published import RUNGS
from cocola_lib.classification.partners import APART, measure_pieces
from cocola_lib.data import audio
from cocola_lib.data.tracks import data_hash, load_tracks
from cocola_lib.evaluation import bootstrap_ratio
from cocola_lib.files import write_csv
from cocola_lib.models.provenance import provenance
from cocola_lib.scoring import BUNDLED, BUNDLED_PAPER, Scorer

METRICS = [BUNDLED.name, "hps-all-time", BUNDLED_PAPER.name, "control"]  # the first is compared with the others
LADDER = tuple({rung: system for system, rung in RUNGS.items()}.values())  # a system of each rung, the worst first


def examples(system: Path) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """A system's answers, silent ones left out, cut to the length of the shortest.

    Returns:
        (n,) a name for each context, contexts, outputs.
    """
    names, contexts, outputs = [], [], []
    for folder in sorted(d for d in system.iterdir() if d.is_dir()):
        context, output = (audio.read(folder / f"{side}.flac") for side in ("context", "output"))
        n = min(len(context), len(output))
        if n >= audio.WINDOW_S * audio.SAMPLE_RATE and audio.rms_dbfs(output[:n]) > NEAR_SILENT_DBFS:
            names.append(hashlib.sha256(context.tobytes()).hexdigest())
            contexts.append(context)
            outputs.append(output)
    shortest = min(map(len, contexts + outputs), default=0)
    return np.array(names), [x[:shortest] for x in contexts], [x[:shortest] for x in outputs]


def measure_systems(folder: Path, metrics: dict[str, Scorer]) -> pd.DataFrame:
    """Own against foreign accompaniment: the share of foreign outputs that a context's own one beats.

    Returns:
        A row per system and metric (test "generated": `value` is that share, `score` the mean of the own scores), and
        the mean over systems.
    """
    rows, shares = [], []
    for system in sorted(d for d in folder.iterdir() if d.is_dir()):
        names, contexts, outputs = examples(system)
        foreign = names[:, None] != names[None]
        if not foreign.any():
            continue
        matrices = {metric: scorer.matrix(contexts, outputs) for metric, scorer in metrics.items()}
        known = np.isfinite(np.diag(next(iter(matrices.values()))))  # somewhere both sides sound
        sizes = {"n_pairs": int(known.sum()), "n_pieces": len(set(names[known]))}
        won = {}
        for metric, s in matrices.items():
            beaten = (s < np.diag(s)[:, None]) & foreign
            won[metric] = (beaten.sum(axis=1) / foreign.sum(axis=1))[known]
            row = {"test": "generated", "system": system.name, "rater": metric, "value": won[metric].mean()}
            rows.append(row | {"score": np.diag(s)[known].mean()} | sizes)
        shares.append(pd.DataFrame(won).assign(context=names[known], weight=1 / known.sum()))
    return pd.DataFrame(rows + (mean_rows(pd.concat(shares)) if shares else []))


def mean_rows(shares: pd.DataFrame) -> list[dict]:
    """The mean over systems of every metric, and of the first's lead over the others.

    The 95 % intervals resample contexts, which systems share.

    Args:
        shares: a row per example: a column per metric, `context`, and `weight`, one over the system's examples.
    """
    weight, context = shares["weight"].to_numpy(), shares["context"].to_numpy()
    first, *others = metrics = [column for column in shares if column not in ("context", "weight")]
    values = {metric: shares[metric].to_numpy() for metric in metrics}
    values |= {f"{first} - {other}": values[first] - values[other] for other in others}
    rows = []
    for metric, found in values.items():
        low, high = bootstrap_ratio(found * weight, weight, context)
        row = {"test": "generated", "system": "mean", "rater": metric, "value": (found * weight).sum() / weight.sum()}
        rows.append(row | {"low": low, "high": high, "n_pairs": len(found), "n_pieces": len(set(context))})
    return rows


def ladder(table: pd.DataFrame) -> pd.DataFrame:
    """Mean scores of streamgen's systems, the worst first, and whether a metric ranks them as they were built."""
    chosen = table[table["system"].isin(LADDER)]
    wide = chosen.pivot(index="rater", columns="system", values="score").reindex(columns=LADDER).dropna()
    return wide.round(2).assign(in_order=(np.diff(wide.to_numpy(), axis=1) > 0).all(axis=1))


def main(
    folder: Annotated[Path, typer.Argument(help="Pieces or sources.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Write the table there, as CSV.")],
    generated: Annotated[Path | None, typer.Option(help="Outputs of generators.", exists=True, file_okay=False)] = None,
    checkpoint: Annotated[list[str], typer.Option(help="A folder or a name; the first is compared.")] = METRICS,
    apart: Annotated[list[str], typer.Option(help="Sources in rows of their own.")] = APART,
    pairs: Annotated[int, typer.Option(help="Of each set, at most.")] = 240,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
):
    """Measure scores on recordings and on outputs of generators."""
    metrics = {name: Scorer(name) for name in checkpoint}
    tracks = load_tracks(folder, keep_unrelated=True)
    tables = [measure_pieces(tracks, metrics, apart, pairs, seed).assign(data=data_hash(tracks))]
    if generated:
        tables.append(measure_systems(generated, metrics))
        typer.echo(ladder(tables[-1]).to_string())
    table = pd.concat(tables, ignore_index=True)
    table["checkpoint"] = table["rater"].map({name: scorer.hash for name, scorer in metrics.items()})
    write_csv(out, table.assign(seed=seed, command=provenance(tracks, seed)["command"]))
    typer.echo(table.round(3).to_string())


if __name__ == "__main__":
    typer.run(main)
