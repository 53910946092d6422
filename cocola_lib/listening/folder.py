"""A study on disk: prepared once, the same for all listeners.

    <study>/study.json        settings, systems, every stimulus with its origin, provenance
    <study>/manifest.csv      the rated stimuli in the layout of `cocola_lib.accompaniment.systems`, to score them
    <study>/audio/*.flac      conditioning, answers, and the mixes that are heard
    <study>/answers.sqlite    the answers, see `store`
    <study>/README.txt        what to keep and what to copy

`study.json` is written last: a folder that has one is complete.
"""

import hashlib
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from cocola_lib.files import parse_json
from cocola_lib.listening import design, stimuli

FORMAT = "cocola-listening-1"
README = """A listening test. Keep this folder as it is: answers belong to exactly these sounds.

answers.sqlite   every answer, at any moment, also while the test is served; to have a backup, copy this file
study.json       which sound is what; without it the answers cannot be read
audio/           what listeners hear
ratings.csv      what `cocola listen export` writes: one row per rating, for notebook 07
"""
LABELS = ("not at all", "hardly", "partly", "mostly", "completely")  # the written anchors of the five steps
ATTENTION, LOW, HIGH, TRAINING = "(attention)", "(low anchor)", "(high anchor)", "(training)"  # never rated systems


@dataclass(frozen=True)
class Settings:
    """What a study is made with; two studies with the same settings and data are the same."""

    seed: int = 0
    n_items: int = 24  # conditionings, at most
    pages: int = 8  # rated pages per listener
    per_page: int | None = None  # systems on a page; None: all of them, six at most
    n_anchors: int = 1  # pages with a pair of hidden anchors
    n_attention: int = 2  # clips with beeps to be counted
    seconds: float = 5.0  # length of a clip, s
    listen_s: float = 3.0  # a clip can be rated after so much of it was heard, s
    scale_min: int = 0  # 0 rates 0 to 4 as in the paper, 1 rates 1 to 5

    def __post_init__(self):
        for name, value in asdict(self).items():
            whole_number = isinstance(value, int) and value >= 0 or name == "per_page" and value is None
            if not (whole_number or name in ("seconds", "listen_s") and isinstance(value, float)):
                raise ValueError(f"{name} is {value!r}; expected a number, 0 or more")
        if self.scale_min not in (0, 1):
            raise ValueError(f"scale_min is {self.scale_min}; use 0 (ratings 0 to 4) or 1 (ratings 1 to 5)")
        if not 0 <= self.listen_s <= self.seconds < float("inf"):
            raise ValueError(f"listen_s is {self.listen_s} s; it must lie within a clip, 0 to {self.seconds:g} s")
        if not 0 <= self.n_attention <= len(stimuli.N_BEEPS):
            raise ValueError(f"n_attention is {self.n_attention}; use 0 to {len(stimuli.N_BEEPS)}")
        if self.seconds < 4 and self.n_attention:
            raise ValueError(f"seconds is {self.seconds:g} s; attention clips need 4 s or more (or n_attention 0)")
        if self.n_anchors < 0 or self.n_items < 2:
            raise ValueError(f"n_anchors is {self.n_anchors}, n_items {self.n_items}; use 0 or more, and 2 or more")

    def enough(self, heard_s: float) -> bool:
        """Is a clip of which so much was heard (s) open to be rated? The browser counts in steps of 0.05 s."""
        return heard_s >= self.listen_s - 0.05


def _stimuli(rows: list[dict], systems: list[str]) -> pd.DataFrame:
    """The stimuli of a study.json, which may have been edited; ValueError, KeyError or TypeError where it is none."""
    frame = pd.DataFrame(rows)
    frame["expected"].astype("Int64")
    for file in frame[["mix", "conditioning", "output"]].to_numpy().ravel():
        if not re.fullmatch(r"(audio/[\w.-]+)?", file):
            raise ValueError(f"{file!r} is no sound of a study")
    if twice := frame["stimulus"][frame["stimulus"].duplicated()].tolist():
        raise ValueError(f"stimulus {twice[0]} is there twice")
    grid = frame[frame["system"].isin(systems)].pivot(index="item", columns="system", values="stimulus")
    if grid.empty or grid[systems].isna().to_numpy().any():
        raise ValueError("an item lacks a system")
    return frame


class Study:
    """A prepared study, read from its folder.

    Attributes:
        folder, settings, systems, provenance.
        stimuli: frame with stimulus, item, system, track, expected, mix, conditioning, output, detail.

    Raises:
        FileNotFoundError: no study there. ValueError: something else, or a study of another version.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder).expanduser()
        path = self.folder / "study.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: there is no study; make one with `cocola listen prepare {self.folder}` or notebook 06"
            )
        self._bytes = path.read_bytes()
        try:
            found = parse_json(self._bytes)
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']!r}")
            self.settings = Settings(**found["settings"])
            self.systems: list[str] = found["systems"]
            self.stimuli = _stimuli(found["stimuli"], self.systems)
            self.source: dict = found["source"]
            self.provenance: dict = found["provenance"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a study of {FORMAT} ({error}); give another folder") from None

    @cached_property
    def hash(self) -> str:
        """A fingerprint of the study; answers belong to one study only."""
        return hashlib.sha256(self._bytes).hexdigest()[:16]

    @cached_property
    def by_id(self) -> dict[str, dict]:
        """Stimulus -> its row."""
        return {row["stimulus"]: row for row in self.stimuli.to_dict("records")}

    @cached_property
    def deal(self) -> design.Deal:
        """The design that follows from the settings and from what the data held."""
        per_page = self.settings.per_page or min(6, len(self.systems))
        return design.Deal(len(self._grid), len(self.systems), min(self.settings.pages, len(self._grid)), per_page)

    @cached_property
    def _grid(self) -> list[list[str]]:
        rated = self.stimuli[self.stimuli["system"].isin(self.systems)]
        return rated.pivot(index="item", columns="system", values="stimulus")[self.systems].to_numpy().tolist()

    def plan(self, slot: int) -> list[list[str]]:
        """The pages of the listener in a slot: lists of stimulus ids, see `design.plan`."""
        hidden = self.stimuli[self.stimuli["system"].isin([LOW, HIGH])]
        anchors = [group["stimulus"].tolist() for _, group in hidden.groupby("item")]
        attention = self.stimuli.loc[self.stimuli["system"] == ATTENTION, "stimulus"].tolist()
        return design.plan(self.deal, self._grid, anchors, attention, self.settings.seed, slot)

    def training(self) -> list[dict]:
        """The stimuli of the training page, in order: a true pair, strangers, beeps."""
        return self.stimuli[self.stimuli["system"] == TRAINING].to_dict("records")

    def check_sounds(self) -> None:
        """Refuse a study whose sounds are not all there.

        Raises:
            FileNotFoundError: one line: the first file that is missing or empty.
        """
        for file in self.stimuli["mix"]:
            path = self.folder / file
            if not (path.is_file() and path.stat().st_size):
                raise FileNotFoundError(
                    f"{path}: missing or empty; put the study's audio back, or prepare another study"
                )

    @property
    def scale(self) -> list[tuple[int, str]]:
        """Ratings with their written anchors, lowest first."""
        return [(self.settings.scale_min + i, label) for i, label in enumerate(LABELS)]

    @property
    def answers_path(self) -> Path:
        return self.folder / "answers.sqlite"
