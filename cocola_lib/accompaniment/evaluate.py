"""Folders of outputs in, Table III out: what `cocola accompany evaluate` does, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.accompaniment import table3
from cocola_lib.accompaniment.baselines import BASELINES, answer
from cocola_lib.accompaniment.fad_embedders import NAMES, Cached, Unavailable, open_embedder
from cocola_lib.accompaniment.measure import Trial, embed_mixes, save_embeddings, score_answers, trial_from_folders
from cocola_lib.accompaniment.systems import read_folders
from cocola_lib.data.pair_files import write_rows
from cocola_lib.scoring import BUNDLED, Scorer


@dataclass(frozen=True)
class Evaluation:
    """`table`: tidy rows (`table3.COLUMNS`); `shown`: frames to print; `notes`: lines about what is missing."""

    table: pd.DataFrame
    shown: list[pd.DataFrame]
    notes: list[str]


def evaluate_folders(
    folders: Sequence[Path | str],
    out: Path | str,
    baselines: Sequence[str] = BASELINES,
    embedders: Sequence[str] = NAMES,
    weights: dict[str, str] | None = None,
    download: bool = False,
    cut_s: float | None = None,
    hop_s: float = 2.5,
    missing: str = "error",
    checkpoint: Path | str | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Callable = lambda steps, total: steps,
) -> Evaluation:
    """Score folders of outputs and write the table, the scores and the embeddings that it is made of.

    Args:
        folders: see `systems.read_folder`.
        out: folder; gets table.csv, table.json, ranks.csv, agreement.csv, scores.csv, embeddings/<name>.npz.
        baselines: some of `BASELINES`; they need references.
        embedders: some of `fad_embedders.NAMES`; weights: name -> path; download: see `open_embedder`.
        cut_s, hop_s, missing, checkpoint, device, seed: see `cocola accompany evaluate --help`.
        progress: wraps the steps, such as tqdm.
    Raises:
        ValueError, FileNotFoundError: one line about a folder, a name, or a checkpoint that was given.
    """
    for names, known in ((baselines, BASELINES), (embedders, NAMES), (weights or {}, NAMES)):
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"{unknown[0]!r}: choose from {', '.join(known)}, or none")
    trial, references, notes = trial_from_folders(read_folders(folders, missing), cut_s)
    scorer = Scorer(checkpoint, device) if checkpoint or BUNDLED.is_dir() else None  # before any work: it may refuse
    trial, out = with_baselines(trial, references, baselines, notes), Path(out)
    raters = {"COCOLA": scorer} if scorer else {}
    if not scorer:
        notes.append("COCOLA: no model comes with this version yet; train one, or give --checkpoint")
    elif not scorer.calibration:
        notes.append(f"COCOLA, calibrated: {scorer.checkpoint} is not; cocola calibrate --help says how")
    raters["control"] = Scorer("control")
    complete = table3.TRUTH in trial.answers
    if embedders and not complete:
        notes.append("FAD and APA: need Ground Truth, that is a reference for every question")
    steps = [*(("score", name) for name in raters), *(("fad", name) for name in embedders if complete)]
    scores, tables = [], []
    for kind, name in progress(steps, total=len(steps)):
        if kind == "score":
            scores.append(score_answers(trial, raters[name], name, hop_s))
            tables.append(table3.summarise(scores[-1], seed))
            continue
        stored = out / "embeddings" / f"{name}.npz"
        tables.append(frechet_rows(trial, name, stored, (weights or {}).get(name), scorer, download, seed))
        said = tables[-1]["note"][tables[-1]["metric"] == f"FAD {name}"]
        notes += [note for note in dict.fromkeys(said) if note not in ("", "by definition")]
    table = pd.concat(tables, ignore_index=True)
    return _write(out, table, pd.concat(scores, ignore_index=True), notes)


def frechet_rows(
    trial: Trial,
    name: str,
    stored: Path,
    source: str | None = None,
    scorer: Scorer | None = None,
    download: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """FAD and APA of one embedder: rows of the table. Empty, with the reason as note, where its weights are missing.

    Args:
        trial: with `Ground Truth`.
        name: of the embedder. source, scorer, download: see `open_embedder`.
        stored: .npz that gets the embeddings. seed: of `table3.frechet_table`.
    """
    try:
        embedder = open_embedder(name, source, scorer, download)
    except Unavailable as reason:
        return table3.empty_rows(list(trial.answers), name, str(reason))
    embedded = embed_mixes(trial, embedder if name == "log-mel" else Cached(embedder))
    save_embeddings(stored, embedded)
    return table3.frechet_table(embedded, trial.tracks, name, seed)


def with_baselines(trial: Trial, references: list, baselines: Sequence[str], notes: list[str]) -> Trial:
    """The trial with the rows that are made here, in the order of the table: Ground Truth last.

    Args:
        trial: may have no answers yet.
        references: n true answers; where one is None, only the Accompanist can play.
        baselines: some of `BASELINES`.
        notes: lines to show are appended.
    """
    if any(clip is None for clip in references):
        baselines = [name for name in baselines if name == "Accompanist"]
    if taken := [name for name in baselines if name in trial.answers]:
        notes.append(f"{', '.join(taken)}: rows of the folders are used, none is made here")
    made = [name for name in BASELINES if name in baselines and name not in trial.answers]
    heard = [trial.read(clip) for clip in trial.conditionings] if made else []
    true = [trial.read(clip) for clip in references] if set(made) - {"Accompanist"} else []
    ours = {
        name: list(references) if name == table3.TRUTH else answer(name, heard, true, trial.classes, trial.tracks)
        for name in made
    }
    last = {table3.TRUTH: ours.pop(table3.TRUTH)} if table3.TRUTH in ours else {}
    answers = ours | trial.answers
    if table3.TRUTH in answers:
        last = {table3.TRUTH: answers.pop(table3.TRUTH)}
    return replace(trial, answers=answers | last)


def _write(out: Path, table: pd.DataFrame, scores: pd.DataFrame, notes: list[str]) -> Evaluation:
    """Leave the table, its ranks and what they are made of; and say what to print."""
    ranks, agreement = table3.agreement(table)
    theirs = table3.paper_rows(list(dict.fromkeys(table["system"])))
    files = {"table": pd.concat([table, theirs]), "ranks": ranks.reset_index(), "agreement": agreement}
    for name, frame in (files | {"scores": scores}).items():
        write_rows(_plain(frame), out / f"{name}.csv")
    write_rows(_plain(files["table"]), out / "table.json")
    main = [m for m in dict.fromkeys(table["metric"]) if not (m.startswith("FAD-inf") or m.endswith(table3.ABOVE))]
    shown = [table3.wide(rows, main[i : i + 4]).reset_index() for rows in (table,) for i in range(0, len(main), 4)]
    shown.append(table3.wide(theirs).reset_index())
    return Evaluation(files["table"], shown, notes)


def _plain(frame: pd.DataFrame) -> list[dict]:
    """Rows of plain values; no number is NaN."""
    return frame.replace({np.nan: None}).to_dict("records")
