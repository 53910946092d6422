"""The reference set: a run to read without running anything, in `outputs/reference/` (`make reference`).

`python -m cocola_lib.workshop.reference` makes it small enough to be committed and fills the README's tables from it;
it refuses one that is older than the notebooks.
"""

import base64
import io
import json
import re
from pathlib import Path

import pandas as pd
import soundfile
from PIL import Image

from cocola_lib.classification.lineup import CONTROL, PAPER_ENCODER, PAPER_ROWS
from cocola_lib.data import paper
from cocola_lib.features import MODE_LABELS
from cocola_lib.files import REPO
from cocola_lib.notebook import recordings
from cocola_lib.notebook.verdicts import more_songs
from cocola_lib.scoring import BUNDLED

REFERENCE = Path("outputs/reference")  # from the top of the repository
FOLDER = REPO / REFERENCE
RESULTS = FOLDER / "results.json"
README = REPO / "README.md"
OUTSIDE, RESPONSES, SONGS = "outside.csv", "responses.csv", "songs.csv"  # beside the weights, see families
MODEL = "model"  # its name in those tables
MAX_MB = 21  # of everything that is committed, so that a clone stays small
NOT_COMMITTED = ("models", "embeddings", "listening", "grids")
SMALL = "small "  # how notebook 03 names the rows of Table I that are trained in seconds


def stale(notebooks: Path, folder: Path) -> list[str]:
    """The notebooks whose executed copy is missing, or has other cells than the notebook has now.

    Args:
        notebooks: folder of the sources.
        folder: of the executed ones; the cell of injected parameters does not count.
    """

    def cells(path):
        found = json.loads(path.read_text(encoding="utf-8"))["cells"]
        kept = (c for c in found if "injected-parameters" not in c["metadata"].get("tags", []))
        return [(c["cell_type"], "".join(c["source"])) for c in kept]

    sources = sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))
    return [p.name for p in sources if not (folder / p.name).exists() or cells(folder / p.name) != cells(p)]


def megabytes(folder: Path) -> float:
    """Size of the reference set, without what is not committed."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] not in NOT_COMMITTED)
    return sum(p.stat().st_size for p in files) / 1e6


def compress(folder: Path) -> None:
    """Make executed notebooks and figures smaller: pictures in 256 colours, players in MP3 instead of FLAC."""
    for path in folder.glob("figures/*.png"):
        path.write_bytes(_fewer_colours(path.read_bytes()))
    for path in folder.glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'(?<="image/png": ")[\w+/=]+', lambda found: _recoded(found[0], _fewer_colours), text)
        flac = r"data:audio/flac;base64,([\w+/=]+)"
        text = re.sub(flac, lambda found: "data:audio/mpeg;base64," + _recoded(found[1], _mp3), text)
        path.write_text(text, encoding="utf-8")


def _recoded(data: str, change) -> str:
    return base64.b64encode(change(base64.b64decode(data))).decode("ascii")


def _fewer_colours(png: bytes) -> bytes:
    out = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return min(png, out.getvalue(), key=len)


def _mp3(flac: bytes) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, *soundfile.read(io.BytesIO(flac)), format="MP3", subtype="MPEG_LAYER_III")
    return out.getvalue()


def table(entries: dict) -> str:
    """The README's results in Markdown: paper's table or figure, notebook, command, our value, paper's value.

    Args:
        entries: content of `results.json` of a run on the miniatures.
    """
    rows = [*_training(entries), *_accuracy(entries), *_accompaniment(entries), *_ratings(entries)]
    lines = [
        "| paper | notebook | command | ours, on miniatures | the paper's, on real data |",
        "|---|---|---|---|---|",
    ]
    for what, notebook, ours, theirs in rows:
        command = f"`cocola run --only {notebook[:2]}`"
        lines.append(f"| {what} | [{notebook}](notebooks/{notebook}.ipynb) | {command} | {ours} | {theirs} |")
    origin = entries["03_classification_tables"]["provenance"]
    return "\n".join(lines) + (
        f"\n\nAccuracies in %, on the four test sets in the order {' / '.join(paper.MINIATURE_OF)} (ours: their "
        f'miniatures; "-": fewer than K pairs). More: [outputs/reference](outputs/reference). '
        f"The paper's model is HPS All; ours, *the model*, is `{_main(entries)}`: "
        f"command `{origin['command']}`, seed {origin['seed']}, checkpoint `{origin['checkpoint']}`, data "
        f"`{origin['data']['hash']}`."
    )


def _main(entries: dict) -> str:
    return entries["03_classification_tables"]["results"]["main"]


def _training(entries: dict) -> list[tuple]:
    found = entries["02_training"]["results"]
    ours = f"{found['last_train_loss']:.2f} (chance: {found['log_k']:.2f})"
    return [("Eq. 3, loss after training", "02_training", ours, "-")]


def _accuracy(entries: dict) -> list[tuple]:
    """Tables I and II: the model and the control for every K, and the small models for K = 2."""
    notebook = "03_classification_tables"
    found = entries[notebook]["results"]["accuracy"]
    theirs = paper.accuracy().set_index(["model", "k", "test_set"])["accuracy"]

    def ours(model, k):
        rows = [r for r in found if (r["model"], r["k"], r["mode"]) == (model, k, "P+H") and r.get("k_used", k) == k]
        by_set = {r["test_set"]: r["accuracy"] for r in rows}
        return " / ".join(f"{100 * by_set[m]:.1f}" if m in by_set else "-" for m in paper.MINIATURE_OF.values())

    def printed(model, k):
        return " / ".join(f"{theirs[model, k, name]:.1f}" for name in paper.MINIATURE_OF)

    rows = []
    for k in (2, 8, 16, 64):
        what = f"Table {'I' if k == 2 else 'II'}, K = {k}"
        rows.append((f"{what}, the model", notebook, ours(_main(entries), k), printed("HPS All", k)))
        if any(r["model"] == PAPER_ENCODER for r in found):
            rows.append((f"{what}, the paper's encoder", notebook, ours(PAPER_ENCODER, k), printed("HPS All", k)))
        rows.append((f"{what}, control without learning", notebook, ours(CONTROL, k), "-"))
        for recipe, row in PAPER_ROWS.items() if k == 2 else ():
            if any(r["model"] == SMALL + recipe for r in found):
                label = f"{what}, trained on {row} for seconds"
                rows.append((label, notebook, ours(SMALL + recipe, k), printed(row, k)))
    return rows


def _accompaniment(entries: dict) -> list[tuple]:
    notebook = "04_accompaniment_evaluation"
    found = entries[notebook]["results"]["summary"]
    theirs = paper.accompaniment().query("data == 'MoisesDB'").set_index("system")["P+H"]
    rows = []
    for system in ("Random", "Ground Truth"):
        row = next(r for r in found if (r["rater"], r["mode"], r["system"]) == ("COCOLA", "P+H", system))
        ours = f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        what = f"Table III, {system}, COCOLA Score P+H"
        rows.append((what, notebook, ours, f"MoisesDB: {theirs[system]}"))
    return rows


def _ratings(entries: dict) -> list[tuple]:
    notebook = "07_mos_analysis"
    results = entries[notebook]["results"]
    r = results["correlations"][0]
    whose = "**simulated** ratings" if results["simulated"] else "ratings"
    ours = f"{whose}: {r['r']:.2f} [{r['r_low']:.2f}, {r['r_high']:.2f}]"
    return [("Fig. 3, Pearson r of score and MOS", notebook, ours, f"41 listeners: {paper.MOS_PEARSON_R}")]


def bundled(entries: dict, outside: pd.DataFrame, responses: pd.DataFrame, songs: pd.DataFrame) -> str:
    """What the README says of the bundled model: its responses against their goals, and its distance to the control.

    Args:
        entries: content of `results.json`.
        outside, responses: from `families outside`: model and control on music that no training heard.
        songs: from `families songs`: both on the miniatures' test songs of other seeds.
    """
    lines = ["| expected | mode | goal | test songs | met | music from outside | met |", "|---" * 7 + "|"]
    apart = responses[responses["rater"] == MODEL].set_index(["expectation", "mode"])
    for row in entries["05_what_the_score_hears"]["results"]["expected"]:
        if row["target"]:
            here = apart.loc[(row["expectation"], row["mode"]), :]
            cells = _measured(row, row["mode"]) + _measured(here, row["mode"])
            mode = MODE_LABELS.get(row["mode"], row["mode"])
            lines.append(f"| {row['expectation']} | {mode} | {row['target']} | " + " | ".join(cells) + " |")
    ks = (2, 8, 64)
    lines += ["", "| accuracy minus the control's, in points | " + " | ".join(f"K = {k}" for k in ks) + " |"]
    lines += ["|---" * 4 + "|"]
    found = pd.DataFrame(entries["03_classification_tables"]["results"]["differences"])
    found = found[(found["a"] == _main(entries)) & (found["b"] == CONTROL)]
    for name, rows in pd.concat([found, more_songs(songs, outside, ks)]).groupby("test_set", sort=False):
        lines.append(f"| {name} | " + " | ".join(_points(rows[rows["k"] == k]) for k in ks) + " |")
    return "\n".join(lines)


def _measured(row, mode) -> list[str]:
    value, low, high = (f"{100 * row[name]:z.0f}" for name in ("value", "low", "high"))
    unit = "points" if " - " in mode else "%"  # a difference of two modes
    return [f"{value} {unit} [{low}, {high}]", "yes" if row["met"] else "**no**"]


def _points(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "-"
    value, low, high = (100 * rows.iloc[0][name] for name in ("difference", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def fill(readme: str, blocks: dict[str, str]) -> str:
    """The README's text with each block between its two marks.

    Args:
        blocks: name -> Markdown.

    Raises:
        ValueError: a mark is missing.
    """
    for name, text in blocks.items():
        start, end = f"<!-- {name}: made by python -m cocola_lib.workshop.reference -->", f"<!-- end of {name} -->"
        if start not in readme or end not in readme:
            raise ValueError(f"README.md: the marks {start} and {end} are missing")
        before, rest = readme.split(start, 1)
        readme = f"{before}{start}\n\n{text}\n\n{end}{rest.split(end, 1)[1]}"
    return readme


def blocks() -> dict[str, str]:
    """What the README says of the reference run as it is on disk."""
    entries = json.loads(RESULTS.read_text(encoding="utf-8"))
    measured = (pd.read_csv(BUNDLED / name) for name in (OUTSIDE, RESPONSES, SONGS))
    own = {"results": table(entries), "bundled": bundled(entries, *measured)}
    return own | {"recordings": recordings.in_readme()}


def main() -> None:
    """Make the reference run smaller and fill the README from it."""
    old = stale(REPO / "notebooks", FOLDER)
    if old:
        raise SystemExit(f"error: outputs/reference is older than {', '.join(old)}; make reference")
    compress(FOLDER)
    README.write_text(fill(README.read_text(encoding="utf-8"), blocks()), encoding="utf-8")
    print(f"README.md: tables filled; outputs/reference: {megabytes(FOLDER):.1f} of {MAX_MB} MB")


if __name__ == "__main__":
    main()
