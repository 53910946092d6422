"""Stems and tracks: what every data set is turned into, and all that sampling, features and scores see.

A track is a piece of music given as stems; a stem is one instrument's part.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cocola_lib.data import audio, containers


@dataclass(frozen=True)
class Stem:
    """One instrument's part.

    Attributes:
        name: unique in its track.
        files: summed to make the stem.
        gain: what the sum is multiplied by; prepared stems that would clip are stored more quietly.
        stream: of a container that holds all stems of a track; None for plain audio files.
        times: how often it is played one after the other; more than once for a loop that is repeated (see `tiled`).
    """

    name: str
    files: tuple[Path, ...]
    gain: float = 1.0
    stream: int | None = None
    times: int = 1

    def read(self, rate: int = audio.SAMPLE_RATE, start_s: float = 0.0, duration_s: float | None = None) -> np.ndarray:
        """Read the stem, or a part of it: (N,) float32 mono at `rate` Hz, zeros after its end; see `audio.read`."""
        if self.times > 1:
            whole = np.tile(replace(self, times=1).read(rate), self.times)[round(start_s * rate) :]
            n = len(whole) if duration_s is None else round(duration_s * rate)
            return np.pad(whole[:n], (0, max(0, n - len(whole))))
        if self.stream is not None:
            return containers.read(self.files[0], self.stream, rate, start_s, duration_s)
        clips = [audio.read(file, rate, start_s, duration_s) for file in self.files]
        n = max(map(len, clips))
        x = clips[0] if len(clips) == 1 else audio.mix([np.pad(clip, (0, n - len(clip))) for clip in clips])
        return x if self.gain == 1.0 else x * np.float32(self.gain)

    def info(self) -> audio.AudioInfo:
        """Rate, length and channels; of several files the longest one.

        Raises:
            ValueError: files of different rates, or that cannot be read.
        """
        if self.stream is not None:
            return containers.info(self.files[0], self.stream)
        headers = [audio.info(file) for file in self.files]
        headers = [replace(header, n_samples=header.n_samples * self.times) for header in headers]
        if len({header.sample_rate for header in headers}) > 1:
            rates = sorted({header.sample_rate for header in headers})
            raise ValueError(f"{self.files[0].parent}: files of different sample rates ({rates} Hz) in one stem")
        return max(headers, key=lambda header: header.n_samples)


@dataclass(frozen=True)
class Track:
    """A piece of music as stems.

    Attributes:
        id: unique over all data sets, `<dataset>/<split>/<folder>`.
        dataset: display name, e.g. "CocoChorales"; miniatures say "mini-...".
        split: "train", "valid" or "test".
        stems: at least two.
        sample_rate: of the files, in Hz; reading always gives 16 kHz.
        n_samples: of the longest stem, at `sample_rate`. Shorter stems are silent after their end.
    """

    id: str
    dataset: str
    split: str
    stems: tuple[Stem, ...]
    sample_rate: int
    n_samples: int

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate

    @property
    def stem_names(self) -> tuple[str, ...]:
        return tuple(stem.name for stem in self.stems)

    def read(
        self,
        names: tuple[str, ...],
        start_s: float = 0.0,
        duration_s: float | None = None,
        rate: int = audio.SAMPLE_RATE,
    ) -> np.ndarray:
        """Read the sub-mix of the named stems: their plain sum (Eq. 1), not renormalised.

        Args:
            names: stems to sum.
            start_s: where the window starts, in seconds.
            duration_s: its length in seconds; None reads to the end of the track.
            rate: Hz.

        Returns:
            (N,) float32 mono at `rate`; zeros after a stem's end.

        Raises:
            ValueError: a name that the track does not have, or a file that cannot be read.
        """
        by_name = {stem.name: stem for stem in self.stems}
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise ValueError(f"track {self.id}: no stem {unknown[0]!r}; it has {', '.join(by_name)}")
        if duration_s is None:
            duration_s = self.duration_s - start_s
        return audio.mix([by_name[name].read(rate, start_s, duration_s) for name in names])


def tiled(track: Track, loops: dict[str, int]) -> Track:
    """A track whose shorter loops go on until its end.

    Args:
        track: as it is stored.
        loops: stem -> how often it fits into the track.
    """
    return replace(track, stems=tuple(replace(stem, times=loops.get(stem.name, 1)) for stem in track.stems))


def track_to_row(track: Track, root: Path) -> list:
    """A track as plain JSON, its files relative to a root."""
    stems = [[s.name, [str(f.relative_to(root)) for f in s.files], s.gain, s.stream] for s in track.stems]
    return [track.id, track.dataset, track.split, stems, track.sample_rate, track.n_samples]


def track_from_row(row: list, root: Path) -> Track:
    """The track that `track_to_row` wrote down."""
    id, dataset, split, stems, sample_rate, n_samples = row
    stems = tuple(Stem(name, tuple(root / f for f in files), gain, stream) for name, files, gain, stream in stems)
    return Track(id, dataset, split, stems, sample_rate, n_samples)
