"""What the listeners answered, as tables: the ratings that notebook 07 reads, and how far the test has come."""

import os
from pathlib import Path

import pandas as pd

from cocola_lib.data.pair_files import check_result
from cocola_lib.files import csv_of, write_text
from cocola_lib.listening.folder import ATTENTION, HIGH, LOW, Study
from cocola_lib.listening.store import LAST, Store

COLUMNS = (
    *("listener", "page", "item", "system", "rating", "scale_min", "scale_max", "track", "position", "attention"),
    *("anchor", "seconds", "time", "conditioning", "output", "expected"),
)


def ratings(store: Store, name: str | None = None) -> pd.DataFrame:
    """All answers, one row each (the last one to each clip), in the order of listeners, pages and positions.

    Args:
        store: the answers.
        name: of one listener; None: all of them, finished or not.

    Raises:
        ValueError: a rating off the scale, or of a clip that the study has not.

    Returns:
        frame with the columns of `COLUMNS`: page and position count from 1; seconds is how long the clip was played;
        conditioning and output are paths relative to the study's folder; attention rows have the right answer in
        `expected`. Only rows with neither attention nor anchor are ratings of a system.
    """
    frame = store.read(
        "SELECT a.name AS listener, p.page + 1 AS page, p.position + 1 AS position, a.stimulus, a.rating, a.time, "
        "h.played_s AS seconds FROM answers a JOIN pages p USING (name, stimulus) "
        "JOIN listeners l USING (name) LEFT JOIN heard h USING (name, stimulus) "
        f"WHERE a.id IN ({LAST}) ORDER BY l.slot, p.page, p.position"
    )
    if name is not None:
        frame = frame[frame["listener"] == name]
    frame = frame.merge(store.study.stimuli, on="stimulus", how="left")
    lowest, highest = store.study.scale[0][0], store.study.scale[-1][0]
    strange = frame[frame["system"].isna() | ~frame["rating"].isin(range(lowest, highest + 1))]
    if len(strange):
        found = "{listener} rated {stimulus} {rating}".format_map(strange.iloc[0])
        raise ValueError(f"{store.path}: {found}, which the test has not; something else changed the file")
    frame = frame.assign(
        attention=frame["system"] == ATTENTION,
        anchor=frame["system"].isin([LOW, HIGH]),
        scale_min=lowest,
        scale_max=highest,
        seconds=frame["seconds"].astype(float).round(1),
        expected=frame["expected"].astype("Int64"),
    )
    return frame[list(COLUMNS)].reset_index(drop=True)


def export(store: Store, path: str | Path) -> pd.DataFrame:
    """Write all answers as CSV, whole or not at all, and return them; audio paths are relative to the CSV's folder.

    Raises:
        ValueError: nobody has answered yet, or something else has this name.
    """
    frame, path = ratings(store), Path(path)
    if path.suffix.lower() != ".csv":
        raise ValueError(f"{path}: ratings are written as .csv")
    check_result(path, ("listener", "item", "system", "rating"))
    if frame.empty:
        raise ValueError(f"{store.path}: no answers yet; take the test first (cocola listen serve, or notebook 06)")
    for column in ("conditioning", "output"):
        frame[column] = [_seen_from(path.parent, store.study.folder / file) if file else "" for file in frame[column]]
    write_text(path, csv_of(frame))  # as listeners download theirs
    return frame


def _seen_from(folder: Path, file: Path) -> str:
    return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()


def status(store: Store) -> pd.DataFrame:
    """One row per listener: how far they got, whether they noticed the beeps, and how they rated the hidden anchors.

    Returns:
        frame with listener, joined, pages (done of all), rated (of all clips), attention ("2 of 2"), low anchor and
        high anchor (mean rating, NaN before they are rated), finished.
    """
    listeners = store.read("SELECT name AS listener, joined, finished FROM listeners ORDER BY slot")
    answered = ratings(store)
    rows = []
    for listener in listeners.itertuples():
        mine, pages = answered[answered["listener"] == listener.listener], store.pages(listener.listener)
        checks = mine[mine["attention"]]
        done = sum(set(page) <= set(store.answers(listener.listener)) for page in pages)
        rows.append(
            {
                "listener": listener.listener,
                "joined": listener.joined,
                "pages": f"{done} of {len(pages)}",
                "rated": f"{len(mine)} of {sum(map(len, pages))}",
                "attention": f"{int((checks['rating'] == checks['expected']).sum())} of {len(checks)}",
                "low anchor": mine.loc[mine["system"] == LOW, "rating"].mean(),
                "high anchor": mine.loc[mine["system"] == HIGH, "rating"].mean(),
                "finished": "not yet" if pd.isna(listener.finished) else listener.finished,
            }
        )
    columns = ("listener", "joined", "pages", "rated", "attention", "low anchor", "high anchor", "finished")
    return pd.DataFrame(rows, columns=list(columns))


def balance(study: Study, plans: list[list[list[str]]]) -> pd.DataFrame:
    """How many listeners every rated stimulus has, after each listener.

    Args:
        study: its stimuli are counted.
        plans: pages of the listeners, in the order of arrival.

    Returns:
        frame with listeners (1 to all), least and most: listeners of the stimulus that has fewest, and most.
    """
    rated = study.stimuli.loc[study.stimuli["system"].isin(study.systems), "stimulus"]
    counts, rows = dict.fromkeys(rated, 0), []
    for n, pages in enumerate(plans, 1):
        for stimulus in (s for page in pages for s in page if s in counts):
            counts[stimulus] += 1
        rows.append({"listeners": n, "least": min(counts.values()), "most": max(counts.values())})
    return pd.DataFrame(rows)
