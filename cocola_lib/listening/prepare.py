"""Preparing a study: items become level-matched files, and `study.json` says where each of them comes from."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from cocola_lib.data import audio, miniatures
from cocola_lib.data.stems import Track
from cocola_lib.data.tracks import data_hash, of_split
from cocola_lib.files import check_writable, write_csv, write_json, write_text
from cocola_lib.listening import stimuli
from cocola_lib.listening.design import Deal
from cocola_lib.listening.folder import ATTENTION, FORMAT, HIGH, LOW, README, TRAINING, Settings, Study
from cocola_lib.listening.schema import answered
from cocola_lib.listening.stimuli import Item
from cocola_lib.listening.store import Store
from cocola_lib.models.provenance import provenance

N_TRAINING = 2  # items of the training page: a pair of strangers


def prepare(
    folder: str | Path,
    tracks: Sequence[Track] = (),
    settings: Settings | None = None,
    systems: Sequence[str | Path] = (),
    provenance: dict | None = None,
) -> Study:
    """Make the stimuli of a study and keep them; a study that is there already is read.

    Args:
        folder: of the study.
        tracks: where items come from, unless systems are given.
        settings: see `Settings`.
        systems: folders in the layout of `accompaniment.systems`: their ids are the items then, and from their
            references the kinds are made (Random, Shifted, Stretched, Ground Truth).
        provenance: kept in study.json, see `models.provenance`.

    Returns:
        the study. One with other settings that someone has answered is returned as it is, with a warning; one without
        answers is made again.

    Raises:
        ValueError: too little data, settings that cannot be met, or a folder that holds something else.
        OSError: the folder cannot be written.
    """
    settings, folder = settings or Settings(), Path(folder).expanduser()
    _check_place(folder)
    source = _source(tracks, systems)
    if kept := _kept(folder, settings, source):
        return kept
    items = _items(tracks, settings, systems)
    names = list(dict.fromkeys([*stimuli.KINDS, *items[0].answers]))
    n_rated = len(items) - settings.n_anchors - N_TRAINING
    Deal(n_rated, len(names), min(settings.pages, n_rated), settings.per_page or 1)  # refuses what cannot be met
    (folder / "study.json").unlink(missing_ok=True)
    write_text(folder / "README.txt", README)  # first: by it a half made study is known
    rows = _write(folder, items, names, settings)
    content = {"format": FORMAT, "settings": asdict(settings), "systems": names, "source": source}
    write_json(folder / "study.json", content | {"provenance": provenance or {}, "stimuli": rows}, indent=1)
    return Study(folder)


def _check_place(folder: Path) -> None:
    """Refuse a folder that cannot be written, or that holds something else than a study, or answers to a lost one."""
    check_writable(folder / "study.json")
    if not folder.is_dir() or (folder / "study.json").exists():
        return
    there = sorted(path.name for path in folder.iterdir() if path.name[0] != ".")  # what a kill left is hidden
    readme = folder / "README.txt"
    if there and not (readme.is_file() and readme.read_text(encoding="utf-8", errors="replace") == README):
        raise ValueError(f"{folder}: holds something else, such as {there[0]}; choose a new folder")
    if answered(folder / "answers.sqlite"):
        raise ValueError(f"{folder}: holds answers, and no study.json: put it back, or choose a new folder")


def _kept(folder: Path, settings: Settings, source: dict) -> Study | None:
    """The study that is there, if it is the one asked for or has answers; None: it is to be made."""
    if not (folder / "study.json").exists():
        return None
    study = Study(folder)
    if study.settings == settings and study.source == source:
        return study
    if not study.answers_path.exists() or Store(study).release():
        return None
    warnings.warn(
        f"{folder}: holds a study with answers, made with other settings or data; it is kept and used. "
        "Give another folder to make a new one",
        stacklevel=3,
    )
    return study


def from_data(
    folder: str | Path,
    data_root: str | Path | None,
    settings: Settings,
    systems: Sequence[Path] = (),
    split: str = "test",
) -> Study:
    """Prepare a study from one split of a data set, of the miniatures, or from folders of systems; see `prepare`.

    Args:
        folder: of the study.
        data_root: a data set; None: miniatures, made if need be. Not looked at when systems are given.
        settings: of the study.
        systems: folders of systems.
        split: "train", "valid" or "test".

    Raises:
        ValueError: no track in that split, or see `prepare`.
    """
    tracks = [] if systems else miniatures.open_tracks(data_root, seed=settings.seed)
    chosen, all_of_them = of_split(tracks, split)
    if all_of_them:
        warnings.warn(all_of_them, stacklevel=2)
    if not chosen and not systems:
        known = ", ".join(sorted({track.split for track in tracks}))
        raise ValueError(f"split is {split!r}; the data have {known}")
    return prepare(folder, chosen, settings, systems, provenance(chosen, settings.seed))


def _source(tracks: Sequence[Track], systems: Sequence[str | Path]) -> dict:
    """What the stimuli are made from, such that other data are noticed."""
    if systems:
        manifests = [Path(folder).expanduser() / "manifest.csv" for folder in systems]
        return {m.parent.name: hashlib.sha256(m.read_bytes()).hexdigest()[:16] for m in manifests if m.exists()}
    return {"tracks": data_hash(list(tracks))}


def _items(tracks: Sequence[Track], settings: Settings, systems: Sequence[str | Path]) -> list[Item]:
    """Rated items, then those of the anchor pages, then those of the training page."""
    extra = settings.n_anchors + N_TRAINING
    if systems:
        from cocola_lib.accompaniment.systems import read_folders

        frame = read_folders(systems)
        items = stimuli.items_from_folder(frame, settings.n_items + extra, settings.seed, settings.seconds)
    else:
        items = stimuli.items_from_tracks(tracks, settings.n_items + extra, settings.seed, settings.seconds)
    if len(items) < 2 + extra:
        raise ValueError(
            f"the data hold {len(items)} items of {settings.seconds:g} s; a study needs 2 to rate, "
            f"{settings.n_anchors} for hidden anchors and {N_TRAINING} for the training page"
        )
    return stimuli.with_kinds(items, np.random.default_rng([settings.seed, 7]))


def _write(folder: Path, items: list[Item], names: list[str], settings: Settings) -> list[dict]:
    """Write all sounds at one level.

    Returns:
        the stimuli as rows of study.json: rated ones, hidden anchors, attention clips, training.
    """
    n_rated = len(items) - settings.n_anchors - N_TRAINING
    top, first = settings.scale_min + 4, items[-2]
    wanted = [(i, name, item.answers[name], None) for i, item in enumerate(items[:n_rated]) for name in names]
    for i in range(n_rated, len(items) - N_TRAINING):
        wanted.append((i, HIGH, items[i].answers["Ground Truth"], None))
        wanted.append((i, LOW, stimuli.low_anchor(items[i].answers["Random"]), None))
    training = (first.answers["Ground Truth"], stimuli.low_anchor(items[-1].answers["Ground Truth"]))
    wanted += [(len(items) - 2, TRAINING, clip, e) for clip, e in zip(training, (top, settings.scale_min), strict=True)]

    n = len(items)
    matched = audio.match_levels([item.conditioning for item in items] + [clip for _, _, clip, _ in wanted])
    conditionings, answers = matched[:n], matched[n:]
    mixes = audio.match_levels([conditionings[w[0]] + answer for w, answer in zip(wanted, answers, strict=True)])

    rows = []
    for (i, system, _, expected), answer, mix in zip(wanted, answers, mixes, strict=True):
        row = {"stimulus": f"s{len(rows):04d}", "item": i, "system": system, "track": items[i].track}
        row |= {"expected": expected, "detail": items[i].detail.get(system, "")}
        for part, clip in (("mix", mix), ("conditioning", conditionings[i]), ("output", answer)):
            row[part] = (
                f"audio/item{i:03d}-given.flac" if part == "conditioning" else f"audio/{row['stimulus']}-{part}.flac"
            )
            audio.write(folder / row[part], clip)
        rows.append(row)
    rows += _attention(folder, mixes, n, len(rows), settings)
    _manifest(folder, rows, names)
    return rows


def _attention(folder: Path, mixes: list[np.ndarray], n_items: int, n_rows: int, settings: Settings) -> list[dict]:
    """Clips that turn into beeps, those of the pages and then the example of the training page."""
    rng = np.random.default_rng([settings.seed, 8])
    counts = rng.permutation(stimuli.N_BEEPS)[: settings.n_attention].tolist()
    rows = []
    for system, n in [*((ATTENTION, n) for n in counts), *([(TRAINING, 2)] if counts else [])]:
        name = f"s{n_rows + len(rows):04d}"
        row = {"stimulus": name, "item": n_items + len(rows), "system": system, "track": "", "expected": n}
        row |= {"detail": f"{n} beeps", "mix": f"audio/{name}-mix.flac", "conditioning": "", "output": ""}
        audio.write(folder / row["mix"], stimuli.beeps(mixes[int(rng.integers(len(mixes)))], n))
        rows.append(row)
    return rows


def _manifest(folder: Path, rows: list[dict], names: list[str]) -> None:
    """The rated stimuli in the layout of `accompaniment.systems`, so that any metric can score what was heard."""
    rated = [row for row in rows if row["system"] in names]
    truth = {row["item"]: row["output"] for row in rated if row["system"] == "Ground Truth"}
    columns = ["id", "conditioning", "output", "reference", "stem_class", "system"]
    listed = [
        (f"{row['item']:03d}", row["conditioning"], row["output"], truth[row["item"]], "", row["system"])
        for row in rated
    ]
    write_csv(folder / "manifest.csv", pd.DataFrame(listed, columns=columns))
