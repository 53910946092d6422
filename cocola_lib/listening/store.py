"""Every answer on disk, at once: one SQLite file per study, shared by all kernels that serve it.

A rating is one row, appended and never changed: a listener who thinks again adds another row, and the last one counts.
Each row is a transaction of its own, written ahead and flushed to the disk (WAL, synchronous = FULL) before the call
returns, and then moved from the log into the file: whoever copies the file has every answer.
"""

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from cocola_lib.data import names
from cocola_lib.listening.folder import Study
from cocola_lib.listening.schema import APPLICATION_ID, SCHEMA, TOKENS, lacking

WAIT_S = 20.0  # s that one writer waits for another
MAX_NAME = 40  # characters of a pseudonym
CANNOT_WRITE = tuple(f"SQLITE_{name}" for name in ("READONLY", "CANTOPEN", "PERM", "FULL", "IOERR", "BUSY"))
LAST = "SELECT max(id) FROM answers GROUP BY name, stimulus"


@dataclass(frozen=True)
class Listener:
    """Where a listener is: pages count from 0, the training page is -1 (nothing rated yet)."""

    name: str
    slot: int
    page: int
    finished: bool


class Store:
    """The answers to one study.

    Args:
        study: the answers belong to it, and to no other.
        path: of the file; None: `answers.sqlite` in the study's folder. Made when it is not there.

    Raises:
        ValueError: the file is damaged, is no file of answers, or belongs to another study; one line says so.
        OSError: the file or its folder cannot be written.
    """

    def __init__(self, study: Study, path: str | Path | None = None):
        self.study, self.path = study, Path(path or study.answers_path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
            self._open()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "").startswith(CANNOT_WRITE):
                raise OSError(f"{self.path}: cannot be written ({error}); make room, or allow it") from None
            raise ValueError(
                f"{self.path}: cannot be read as a file of answers ({error}); move it away, keep it, and start again"
            ) from None

    def _open(self) -> None:
        self._db.create_collation("NOCASE", names.compared)  # SQLite's own knows A to Z only
        self._db.execute(f"PRAGMA busy_timeout = {round(1000 * WAIT_S)}")
        with self._transaction() as db:  # two kernels may start at the same moment
            application = db.execute("PRAGMA application_id").fetchone()[0]
            empty = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if empty:
                for statement in SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute("INSERT INTO study VALUES (?)", (self.study.hash,))
            elif application != APPLICATION_ID:
                raise ValueError(
                    f"{self.path}: a database of something else, not of a listening test; give another path"
                )
            elif missing := lacking(db):
                raise sqlite3.DatabaseError(f"no column {missing[0]}")
            db.execute(TOKENS)
        self._belong()
        if problem := [row[0] for row in self._db.execute("PRAGMA quick_check") if row[0] != "ok"]:
            raise sqlite3.DatabaseError(problem[0].splitlines()[0])
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's own cache as well
        self._db.execute("PRAGMA foreign_keys = ON")

    def _belong(self) -> None:
        """Take a file that nobody has joined yet for this study; refuse one with answers to another."""
        with self._transaction() as db:
            found = next(db.execute("SELECT hash FROM study"), ["?"])[0]
            if found != self.study.hash and self._count():
                raise ValueError(
                    f"{self.path}: holds answers to another study ({found}, not {self.study.hash}); put back its "
                    "study.json, or move the file away"
                )
            db.execute("UPDATE study SET hash = ?", (self.study.hash,))

    def _count(self) -> int:
        return self._db.execute("SELECT count(*) FROM listeners").fetchone()[0]

    def release(self) -> bool:
        """Let nobody join any more, for a study that is made anew; False, and nothing done, if somebody has."""
        with self._transaction() as db:
            if self._count():
                return False
            db.execute("UPDATE study SET hash = ''")
        return True

    def close(self) -> None:
        """Let go of the file. Nothing depends on it: what was answered is on disk already."""
        self._db.close()

    def find(self, name: str) -> Listener | None:
        """The listener of that pseudonym (capitals do not matter), or None."""
        row = self._db.execute("SELECT name, slot, page, finished FROM listeners WHERE name = ?", (name,)).fetchone()
        return Listener(row[0], row[1], row[2], row[3] is not None) if row else None

    def join(self, name: str) -> Listener:
        """The listener of that pseudonym; a new one takes the next slot, and its pages are logged.

        Raises:
            ValueError: an empty pseudonym, or one of more than 40 characters; a study that was made anew meanwhile.
        """
        name = " ".join(name.split())
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise ValueError(f"Please enter a made-up name of 1 to {MAX_NAME} characters.")
        with self._transaction() as db:
            if known := self.find(name):
                return known
            if db.execute("SELECT hash FROM study").fetchone()[0] != self.study.hash:
                raise ValueError("This test was made anew meanwhile. Please reload the page, or run the cell again.")
            slot = db.execute("SELECT coalesce(max(slot) + 1, 0) FROM listeners").fetchone()[0]
            db.execute("INSERT INTO listeners (name, slot, joined, page) VALUES (?, ?, ?, -1)", (name, slot, _now()))
            rows = [
                (name, page, position, stimulus)
                for page, clips in enumerate(self.study.plan(slot))
                for position, stimulus in enumerate(clips)
            ]
            db.executemany("INSERT INTO pages VALUES (?, ?, ?, ?)", rows)
        return Listener(name, slot, -1, False)

    def token(self, name: str) -> str:
        """A listener's secret, which their browser keeps: with it they are back where they were."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?)", (name, secrets.token_urlsafe(16)))
            return db.execute("SELECT token FROM tokens WHERE name = ?", (name,)).fetchone()[0]

    def owner(self, token: str) -> Listener | None:
        """The listener whose secret this is, or None."""
        row = self._db.execute("SELECT name FROM tokens WHERE token = ?", (token,)).fetchone()
        return self.find(row[0]) if row else None

    def pages(self, name: str) -> list[list[str]]:
        """The listener's pages as they were logged: lists of stimulus ids."""
        query = "SELECT page, stimulus FROM pages WHERE name = ? ORDER BY page, position"
        pages: dict[int, list[str]] = {}
        for page, stimulus in self._db.execute(query, (name,)):
            pages.setdefault(page, []).append(stimulus)
        return list(pages.values())

    def listen(self, name: str, stimulus: str, covered_s: float, played_s: float) -> None:
        """Note how much of a clip was heard (s, each moment counted once) and played (s, repeats included)."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO heard VALUES (?, ?, ?, ?) ON CONFLICT (name, stimulus) DO UPDATE SET "
                "covered_s = max(covered_s, excluded.covered_s), played_s = max(played_s, excluded.played_s)",
                (name, stimulus, float(covered_s), float(played_s)),
            )

    def heard(self, name: str) -> dict[str, tuple[float, float]]:
        """Stimulus -> (seconds heard, seconds played)."""
        query = "SELECT stimulus, covered_s, played_s FROM heard WHERE name = ?"
        return {stimulus: (covered, played) for stimulus, covered, played in self._db.execute(query, (name,))}

    def rate(self, name: str, stimulus: str, rating: int) -> None:
        """Keep an answer; when this returns it is on disk.

        Raises:
            ValueError: a rating off the scale, a clip that is not this listener's, or that was not listened to.
        """
        if rating not in dict(self.study.scale):
            raise ValueError(f"rating {rating!r}; the scale has {', '.join(str(r) for r, _ in self.study.scale)}")
        if not self.study.settings.enough(heard := self.heard(name).get(stimulus, (0.0, 0.0))[0]):
            raise ValueError(
                f"{heard:.1f} s heard of {stimulus}; {self.study.settings.listen_s:g} s are needed to rate it"
            )
        try:
            with self._transaction() as db:
                db.execute(
                    "INSERT INTO answers (name, stimulus, rating, time) VALUES (?, ?, ?, ?)",
                    (name, stimulus, rating, _now()),
                )
        except sqlite3.IntegrityError:
            raise ValueError(f"stimulus {stimulus!r} is on no page of listener {name!r}") from None

    def answers(self, name: str) -> dict[str, int]:
        """Stimulus -> rating, the last answer each."""
        query = f"SELECT stimulus, rating FROM answers WHERE name = ? AND id IN ({LAST})"
        return dict(self._db.execute(query, (name,)).fetchall())

    def turn(self, name: str, page: int) -> None:
        """Note the page that the listener is on."""
        with self._transaction() as db:
            db.execute("UPDATE listeners SET page = ? WHERE name = ?", (page, name))

    def finish(self, name: str) -> None:
        """Note that the listener is done."""
        with self._transaction() as db:
            db.execute("UPDATE listeners SET finished = coalesce(finished, ?) WHERE name = ?", (_now(), name))

    def read(self, query: str) -> pd.DataFrame:
        """The result of a query as a frame; for `results`."""
        cursor = self._db.execute(query)
        return pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description])

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    """A block that is written as a whole and waits for its turn before it reads."""

    def __init__(self, db: sqlite3.Connection):
        self.db = db

    def __enter__(self) -> sqlite3.Connection:
        self.db.execute("BEGIN IMMEDIATE")
        return self.db

    def __exit__(self, kind, *_) -> None:
        self.db.execute("ROLLBACK" if kind else "COMMIT")
        self.db.execute("PRAGMA wal_checkpoint(PASSIVE)")  # waits for nobody


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
