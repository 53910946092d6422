"""Tables of pairs on disk: what to score comes from a CSV or two folders, scores go to a CSV or JSON."""

import csv
import io
import os
import re
from pathlib import Path

from cocola_lib.data.names import printable
from cocola_lib.data.sound_files import AUDIO_SUFFIXES
from cocola_lib.files import DIGITS, check_writable, guarded, read_json, unguarded, write_json, write_text

PAIR = ("conditioning", "accompaniment")


def pair_of(row):
    """A row's (conditioning, accompaniment)."""
    return tuple(row[name] for name in PAIR)


def read_pairs(path):
    """Read a CSV of pairs.

    Args:
        path: CSV with the columns conditioning and accompaniment; any others are carried through. Relative paths
            are looked up from the working folder, then beside the CSV.
    Returns:
        List of rows, dicts of strings.
    Raises:
        FileNotFoundError, ValueError: no such file, not text, a column missing, no rows.
    """
    return read_csv(path, PAIR)


def read_csv(path, required):
    """Read a CSV as it stands.

    Args:
        path: CSV in UTF-8, a byte order mark or none.
        required: names of columns that must be there; any others are carried through.
    Returns:
        List of rows, dicts of strings.
    Raises:
        FileNotFoundError, ValueError: no such file, not text, a column missing or twice, no rows.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            reader.fieldnames = columns = [unguarded(name.strip()) for name in reader.fieldnames or []]
            rows = [{key: unguarded(value) for key, value in row.items() if key is not None} for row in reader]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; it needs the columns {', '.join(required)}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error}); save it as CSV UTF-8") from None
    except (csv.Error, OSError) as error:
        reason = getattr(error, "strerror", error)
        raise ValueError(f"{path}: not a CSV file that can be read ({reason})") from None
    missing = [name for name in required if name not in columns]
    if missing:
        found = ", ".join(columns) or "none"
        commas = "; separate columns by commas" if re.search(r"[;\t]", found) else ""
        raise ValueError(f"{path}: no column {' and '.join(missing)}; its first line has: {found}{commas}")
    if twice := next((name for name in columns if name and columns.count(name) > 1), None):
        raise ValueError(f"{path}: two columns are called {twice}; leave one of them")
    if not rows:
        raise ValueError(f"{path}: holds no rows")
    return rows


def locate(path, folder):
    """Where a file named in a table is: from the working folder, else beside the table."""
    beside = os.path.join(folder, path)  # os.path: a name that is too long is nowhere; pathlib would raise
    return beside if not os.path.exists(path) and os.path.exists(beside) else path


def match_folders(conditioning, accompaniment):
    """Pair the audio files of two folders by name, the suffix aside.

    Returns:
        List of rows, sorted by name. A file without a partner is a row with an empty side, which will fail.
    Raises:
        FileNotFoundError, ValueError: no such folder, no audio, a name twice, no name in common.
    """
    sides = []
    for folder in (conditioning, accompaniment):
        by_name = {}
        for file in audio_files(folder):
            name = printable(str(Path(file).with_suffix("")))
            if name in by_name:
                raise ValueError(f"{folder}: {by_name[name]} and {file} have one name; leave one of them")
            by_name[name] = file
        sides.append({name: str(Path(folder) / file) for name, file in by_name.items()})
    if not set(sides[0]) & set(sides[1]):
        examples = " and ".join(next(iter(side)) for side in sides)
        raise ValueError(
            f"{conditioning}, {accompaniment}: no file name in common (they hold, for example, {examples})"
        )
    names = sorted(set(sides[0]) | set(sides[1]))
    return [{key: side.get(name, "") for key, side in zip(PAIR, sides, strict=True)} for name in names]


def check_suffix(out):
    """Refuse an output that is a folder, neither .csv nor .json, or where nothing can be written."""
    out = Path(out)
    if out.is_dir():
        raise ValueError(f"{out}: is a directory; expected a file name")
    if out.suffix.lower() not in (".csv", ".json"):
        raise ValueError(f"{out}: tables are written as .csv or .json")
    check_writable(out)
    return out


def check_apart(**outputs):
    """Refuse one file for two outputs, of which the second would replace the first; None is no output."""
    given = {option: os.path.realpath(out) for option, out in outputs.items() if out is not None}
    if len(set(given.values())) < len(given):
        raise ValueError(f"{' and '.join(f'--{option}' for option in given)} name one file; give each its own")


def check_result(out, columns, figure=False):
    """Refuse an output that cannot be written, or whose name something else has: a result replaces a result only.

    Args:
        out: .csv or .json.
        columns: by which an earlier result of the same kind is known; a file without content is nobody's.
        figure: one is drawn beside the table, as .png.
    Raises:
        ValueError, OSError: one line, before any work is done.
    """
    out, lacking = check_suffix(out), None
    if out.exists():
        rows = read_rows(out) or [{}] * (out.stat().st_size > len("[]\n"))
        lacking = out if rows and not set(columns) <= rows[0].keys() else None
    elif figure and out.with_suffix(".png").exists():
        lacking = out.with_suffix(".png")
    if lacking:
        raise ValueError(f"{lacking}: exists and is no result of this command; choose another name or delete it")
    return out


def check_out(out, pairs=None):
    """Refuse an output path that cannot be written, or that holds something else, before any work is done."""
    out = check_suffix(out)
    if pairs is not None and Path(pairs).exists() and out.exists() and out.samefile(pairs):
        raise ValueError(f"{out}: is the table of pairs itself; choose another name")
    return check_result(out, ("checkpoint",))


def read_rows(path):
    """Rows of a .csv or .json that `write_rows` wrote; ValueError for anything else."""
    path = Path(path)
    try:
        if path.suffix.lower() == ".json":
            rows = read_json(path)
        else:
            rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
            rows = [{unguarded(key): unguarded(value) for key, value in row.items()} for row in rows]
    except (ValueError, csv.Error, OSError) as error:
        raise ValueError(f"{path}: exists and cannot be read ({error}); choose another name") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: exists and holds no table; choose another name")
    return rows


def write_rows(rows, out):
    """Write rows as .csv or .json, to a temporary name first. NaN is `nan` in CSV and null in JSON."""
    if Path(out).suffix.lower() == ".json":
        write_json(out, rows, indent=1)
    else:
        write_text(out, csv_of_rows(rows))


def csv_of_rows(rows: list[dict]) -> str:
    """Rows, dicts of numbers and texts, as the text of a CSV file; what a row lacks is empty, NaN is `nan`.

    Numbers have `DIGITS` significant digits, more than scores of two machines have in common.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(guarded, names))
    writer.writerows([_short(guarded(row.get(name, ""))) for name in names] for row in rows)
    return text.getvalue()


def _short(cell):
    return float(f"{cell:.{DIGITS}g}") if isinstance(cell, float) else cell


def audio_files(folder):
    """Audio files under a folder, links to nowhere too: relative path -> a string that changes when the file does."""
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise ValueError(f"{folder}: is a file; expected a folder of clips")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and not p.is_dir())
    files = [p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    if not files:
        raise ValueError(f"{folder}: holds no audio ({', '.join(AUDIO_SUFFIXES)})")
    return {p.relative_to(folder).as_posix(): stamp(p) for p in files}


def stamp(path):
    """A string that changes when a file does, "" where there is none: its size (bytes) and its date (ns)."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):  # gone, a name that is too long, one with a NUL
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}"
