"""Folders of outputs as they come: a manifest, stream-music-gen's tree, or a demo page's SYSTEM/EXAMPLE folders.

Whatever the layout, a folder becomes the same rows: a dict with `COLUMNS`, paths joined to the folder, and `track`,
which groups the rows of one conditioning: resampling whole conditionings is what every 95 % interval does.

| layout | files |
|---|---|
| manifest | `manifest.csv` and audio, see `systems` |
| stream-music-gen | `NNNNN/`: `input_audio.wav`, `ground_truth/pred.wav`, `SYSTEM/pred.wav`, `metadata.json` |
| examples | `SYSTEM/EXAMPLE/`: `context.flac`, `output.flac`, `reference.flac` where there is one; or one SYSTEM |
"""

import hashlib
from pathlib import Path

from cocola_lib.data.pair_files import read_csv
from cocola_lib.data.sound_files import AUDIO_SUFFIXES
from cocola_lib.files import read_json

MANIFEST = "manifest.csv"
COLUMNS = ("id", "conditioning", "output", "reference", "stem_class", "system")
SIDES = {"conditioning": "context", "output": "output", "reference": "reference"}  # names in an example's folder
TRUTH_FOLDER = "ground_truth"
ONE_SYSTEM = "pred"  # stream-music-gen's name where a tree holds one system: the tree's own name says more
TARGETS = (  # stream-music-gen's numbers of classes (`target_inst_id`), by the names that stems have here
    "piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass", "reed", "pipe",
    "synth lead", "synth pad", "synth effects", "ethnic", "drums", "sound effects", "vocals", "",
)  # fmt: skip


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder in any of the layouts; outputs need not be there yet.

    Raises:
        FileNotFoundError, ValueError: one line: no such folder, none of the layouts, or what is wrong with a file.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    path = folder / MANIFEST
    if not path.is_file():
        for read in (_stream_music_gen, _examples):
            if rows := read(folder):
                return rows
        raise FileNotFoundError(
            f"{path}: no such file; it needs the columns {', '.join(COLUMNS)}. Without it, a folder holds "
            "NNNNN/input_audio.wav and NNNNN/SYSTEM/pred.wav, or SYSTEM/EXAMPLE/context.flac and output.flac"
        )
    rows = [{name: value.strip() for name, value in row.items()} for row in read_csv(path, COLUMNS)]
    for row in rows:
        row |= {name: str(folder / row[name]) if row[name] else "" for name in SIDES}
    return rows


def content(path: str) -> str:
    """A name for exactly this file: conditionings repeat across systems, under any name."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def _stream_music_gen(folder):
    """The rows of a tree as stream-music-gen writes it; none where it is something else."""
    items = {file.parent for file in folder.glob("*/input_audio.wav")}
    answers = [file.parent for file in folder.glob("*/*/pred.wav")] if items else []
    systems, rows = sorted({answer.name for answer in answers} - {TRUTH_FOLDER}), []
    for item in sorted(items.union(answer.parent for answer in answers)):  # half a tree: what is missing gets a row
        truth, conditioning = item / TRUTH_FOLDER / "pred.wav", item / "input_audio.wav"
        shared = {
            "id": item.name,
            "conditioning": str(conditioning),
            "reference": str(truth) if truth.is_file() else "",
            "stem_class": _target(item / "metadata.json"),
        }
        for system in systems:
            named = folder.resolve().name if system == ONE_SYSTEM else system
            rows.append(shared | {"output": str(item / system / "pred.wav"), "system": named})
    return rows


def _target(path):
    """The class that an item asks for; "" where its metadata do not say."""
    if not path.is_file():
        return ""
    try:
        target = read_json(path)["target_inst_id"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: no JSON object with target_inst_id; correct it, or delete the file") from None
    if isinstance(target, str):
        return target.lower()
    if type(target) is not int or not 0 <= target < len(TARGETS):
        raise ValueError(f"{path}: target_inst_id is {target!r}; expected 0 to {len(TARGETS) - 1}, or a name")
    return TARGETS[target]


def _examples(folder):
    """The rows of SYSTEM/EXAMPLE folders, or of one SYSTEM; none where it is something else."""
    children = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    systems = [folder] if any(_side(child, "context") for child in children) else children
    rows = []
    for system in systems:
        for example in sorted(child for child in system.iterdir() if child.is_dir()):
            paths = {name: _side(example, side) for name, side in SIDES.items()}
            if paths["conditioning"] or paths["output"]:
                # demo pages reuse names such as "bass_1": the content makes them unique
                heard = paths["conditioning"]
                where = f"{example.name}-{content(heard)[:8]}" if heard else example.name
                for name in ("conditioning", "output"):  # named where it is missed
                    paths[name] = paths[name] or str(example / f"{SIDES[name]}.flac")
                rows.append(paths | {"id": where, "stem_class": example.name.lower(), "system": system.resolve().name})
    return rows


def _side(example, side):
    """The audio file of one side of an example, "" where there is none."""
    found = [str(path) for suffix in AUDIO_SUFFIXES if (path := example / f"{side}{suffix}").is_file()]
    if len(found) > 1:
        raise ValueError(f"{example}: {' and '.join(Path(p).name for p in found)}: which one is it? Leave one")
    return found[0] if found else ""
