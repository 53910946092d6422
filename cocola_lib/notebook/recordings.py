"""Music by people in notebooks 03 and 04: measured where the demos are at hand, else the table beside the weights."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cocola_lib import scoring
from cocola_lib.classification.partners import APART, measure_pieces
from cocola_lib.data.demos import NAME
from cocola_lib.data.stems import Track
from cocola_lib.data.tracks import load_tracks
from cocola_lib.files import data_dir
from cocola_lib.notebook.sentences import percent
from cocola_lib.notebook.shown import Table
from cocola_lib.scoring import Scorer

STORED = "recordings.csv"  # beside the weights, from `workshop.recordings`
LABELS = {"pieces": "bands", "mir-1k": "singers over karaoke"}
GET = "`cocola data download demos` fetches recordings to measure here"


def at_hand() -> list[Track]:
    """The pieces that `cocola data download demos` wrote; none without it."""
    folder = data_dir() / NAME / "multitrack"
    return load_tracks(folder, keep_unrelated=True) if folder.is_dir() else []


def music(tracks: Sequence[Track]) -> tuple[list[Track], str]:
    """The demos at hand, else the given tracks; and a sentence that says which."""
    if recorded := at_hand():
        return recorded, f"The music below was recorded by people: {len(recorded)} pieces of `{NAME}`."
    names = ", ".join(sorted({track.dataset for track in tracks}))
    return list(tracks), f"No recordings are at hand ({GET}), so the music below is the one above: {names}."


def found(metrics: dict[str, Scorer], n: int, seed: int) -> tuple[pd.DataFrame, str]:
    """How often metrics find partners in music by people.

    Args:
        metrics: the first is compared with the others.
        n: pairs of each set, at most.
        seed: of the draw.

    Returns:
        Rows of `partners.measure_pieces`, and a sentence that says where they are from.
    """
    tracks = at_hand()
    if tracks:
        table = measure_pieces(tracks, metrics, APART, n, seed)
        return table, f"**Measured here**, on {len(tracks)} pieces from `{data_dir() / NAME}`."
    home = stored()
    names = ", ".join(f"`{name}`" for name in pd.read_csv(home)["rater"].unique() if " - " not in name)
    said = f"**Not measured here**: no recordings are at hand ({GET}). This is the stored table of {names}"
    return pd.read_csv(home), f"{said}, `models/weights/{home.parent.name}/{STORED}`."


def shown(table: pd.DataFrame) -> Table:
    """Rows of `found` as a table: a row for each set and metric, a column for each K and kind of rivals."""
    rows = table[table["rivals"].isin(["strangers", "same piece"])]
    column = [f"{r}, K = {k:.0f}" if r == "strangers" else r for r, k in zip(rows["rivals"], rows["k"], strict=True)]
    cells = [percent(*row) for row in rows[["value", "low", "high"]].to_numpy()]
    rows = rows.assign(recordings=rows["test"].replace(LABELS), metric=rows["rater"], column=column, cell=cells)
    wide = rows.pivot(index=["recordings", "metric"], columns="column", values="cell")
    order = pd.MultiIndex.from_frame(rows[["recordings", "metric"]].drop_duplicates())
    return Table(
        wide.loc[order, list(dict.fromkeys(column))],
        "Recordings: partners found, in %, with 95 % intervals over pieces; a difference is in points",
        missing="-",
    )


def in_readme() -> str:
    """The stored table in Markdown: partners in music by people, and own against foreign outputs of generators."""
    table = pd.read_csv(stored())
    rows = shown(table).frame
    generated = table[table["system"] == "mean"]
    shares = [percent(*row) for row in generated[["value", "low", "high"]].to_numpy()]
    n = table.loc[table["test"] == "generated", "system"].nunique() - 1
    own = pd.DataFrame({"recordings": f"{n} generators", "metric": generated["rater"], "own output": shares})
    return pd.concat([rows, own]).fillna("-").to_markdown(index=False)


def stored() -> Path:
    """The table beside the default model, or beside another one if that has none."""
    homes = sorted(scoring.IN_PACKAGE.glob(f"*/{STORED}"), key=lambda path: path.parent != scoring.BUNDLED)
    return homes[0]
