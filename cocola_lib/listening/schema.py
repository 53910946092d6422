"""The tables of a file of answers, and what can be said of such a file without the study that it belongs to."""

import sqlite3
from contextlib import closing
from pathlib import Path

APPLICATION_ID = 0x0C0C01A  # marks the file as ours, see `file answers.sqlite`
SCHEMA = """
CREATE TABLE study (hash TEXT NOT NULL);
CREATE TABLE listeners (
    name TEXT PRIMARY KEY COLLATE NOCASE, slot INTEGER NOT NULL UNIQUE, joined TEXT NOT NULL,
    page INTEGER NOT NULL DEFAULT 0, finished TEXT);
CREATE TABLE pages (  -- the log of the randomisation: what was shown, where
    name TEXT NOT NULL REFERENCES listeners(name), page INTEGER NOT NULL, position INTEGER NOT NULL,
    stimulus TEXT NOT NULL, PRIMARY KEY (name, stimulus));
CREATE TABLE heard (
    name TEXT NOT NULL, stimulus TEXT NOT NULL, covered_s REAL NOT NULL, played_s REAL NOT NULL,
    PRIMARY KEY (name, stimulus));
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, stimulus TEXT NOT NULL, rating INTEGER NOT NULL,
    time TEXT NOT NULL, FOREIGN KEY (name, stimulus) REFERENCES pages(name, stimulus));
"""
TOKENS = "CREATE TABLE IF NOT EXISTS tokens (name TEXT PRIMARY KEY COLLATE NOCASE, token TEXT NOT NULL UNIQUE)"


def lacking(db: sqlite3.Connection) -> list[str]:
    """Columns of `SCHEMA` that a database has not, as table.column."""
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        return sorted(_columns(ours) - _columns(db))


def _columns(db: sqlite3.Connection) -> set[str]:
    query = "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'"
    return {name for (name,) in db.execute(query)}


def answered(path: Path) -> bool:
    """Whether somebody has joined, or the file cannot be read and may hold answers."""
    try:
        with closing(sqlite3.connect(path)) as db:
            return db.execute("SELECT count(*) FROM listeners").fetchone()[0] > 0
    except sqlite3.Error:
        return path.exists() and path.stat().st_size > 0
