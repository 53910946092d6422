"""Audition: choose a pair and what is wrong with it, hear it, look at it, and only then see what the score says.

It is a document with static players first of all (see `panel.py`), so that a headless run shows the first pair. Used by
notebooks 00 and 01.
"""

import html
from collections.abc import Sequence

import ipywidgets
import numpy as np

from cocola_lib.data.activity import BLOCK_S
from cocola_lib.hearing import foils
from cocola_lib.notebook import players as listen
from cocola_lib.notebook.pair_views import pair_picture, read_scores
from cocola_lib.notebook.panel import Panel, named
from cocola_lib.notebook.titles import in_words, title
from cocola_lib.sampling import PairSpec, WindowSampler, split_stems
from cocola_lib.scoring import Scorer

SURPRISE = "surprise"  # a kind that is drawn and not told
ROLES = ("anchor", "accompaniment", "out")
AT_MOST = {"width": "100%", "max_width": "460px"}
HINT = "If nothing happens when you choose, run this cell: choosing needs a kernel, listening does not."


def audition(
    specs: Sequence[PairSpec], sampler: WindowSampler, scorer: Scorer | None = None, seed: int = 0
) -> "Audition":
    """A panel on which to hear pairs that belong together, and pairs that do not.

    Args:
        specs: pairs, of which the first is shown first.
        sampler: holds the tracks to choose from; "Surprise me" draws among all of their windows.
        scorer: its scores are shown on demand; None shows no scores.
        seed: of the surprises, and of what is taken from elsewhere.

    Raises:
        ValueError: specs is empty.
    """
    return Audition(specs, sampler, scorer, seed)


class Audition(Panel):
    """See `audition`. `spec`, `kind`, `amount` and `clips` are what is heard now; `roles`: stem -> its buttons."""

    def __init__(self, specs, sampler, scorer, seed):
        if not specs:
            raise ValueError("specs is empty; there is no pair to hear")
        self.sampler, self.scorer, self.seed = sampler, scorer, seed
        self._rng, self._quiet = np.random.default_rng([seed, 1]), False
        wide = {"description_width": "90px"}
        tracks = [(title(track), track.id) for track in sampler.tracks]
        self.track = ipywidgets.Dropdown(options=tracks, description="Track", style=wide, layout=AT_MOST)
        self.window = ipywidgets.SelectionSlider(
            options=[0.0],
            description="Starts at (s)",
            style=wide,
            layout=AT_MOST,
            continuous_update=False,
        )
        self.stems, self.roles = ipywidgets.VBox(), {}
        self.kind_menu = ipywidgets.Dropdown(
            options=[*((kind, kind) for kind in foils.KINDS), (SURPRISE + " (not told)", SURPRISE)],
            description="Kind",
            style=wide,
            layout={"width": "300px"},
        )
        self.amount_menu = ipywidgets.Dropdown(description="By", style=wide, layout={"width": "300px"})
        self.surprise_button = ipywidgets.Button(
            description="Surprise me",
            icon="random",
            tooltip="draws a track, a window, stems and a kind, untold",
        )
        menus = [self.kind_menu, self.amount_menu, self.surprise_button]
        rows = [ipywidgets.HBox(menus, layout={"flex_flow": "row wrap"})]
        super().__init__(above=[self.track, self.window, self.stems, *rows])
        self._choose(specs[0], "coherent")
        self.track.observe(self._new_track, "value")
        self.window.observe(self._new_window, "value")
        self.kind_menu.observe(self._new_kind, "value")
        self.amount_menu.observe(self._changed, "value")
        self.surprise_button.on_click(lambda _: self.surprise())

    def surprise(self) -> None:
        """Draw a track, a window, stems and a kind, and do not tell which kind."""
        for track_id in map(str, self._rng.permutation([track.id for track in self.sampler.tracks])):
            starts, active = self.sampler.windows(self.sampler.by_id[track_id])
            if len(starts):
                break
        column = int(self._rng.integers(len(starts)))
        names = np.array(self.sampler.by_id[track_id].stem_names)[active[:, column]]
        spec = PairSpec(track_id, round(float(starts[column]) * BLOCK_S, 1), *split_stems(names, self._rng))
        self._choose(spec, SURPRISE)

    def _choose(self, spec: PairSpec, kind: str) -> None:
        """Set all controls at once, then show."""
        self._quiet = True
        self.track.value = spec.track_id
        self._list_windows()
        self.window.value = min(self.window.options, key=lambda s: abs(s - spec.start_s))
        self._list_stems(dict.fromkeys(spec.anchor, "anchor") | dict.fromkeys(spec.positive, "accompaniment"))
        self.kind_menu.value = kind
        self._list_amounts()
        self._quiet = False
        self._changed()

    def _new_track(self, _):
        if not self._quiet:
            self._quiet = True
            self._list_windows()
            self._list_stems({})
            self._quiet = False
            self._changed()

    def _new_window(self, _):
        if not self._quiet:
            self._list_stems({name: row.value for name, row in self.roles.items()})
            self._changed()

    def _new_kind(self, _):
        if not self._quiet:
            self._quiet = True
            self._list_amounts()
            self._quiet = False
            self._changed()

    def _list_windows(self):
        starts, _ = self.sampler.windows(self.sampler.by_id[self.track.value])
        self.window.options = [round(float(s) * BLOCK_S, 1) for s in starts] or [0.0]

    def _list_stems(self, roles: dict[str, str]):
        """List the stems that sound in this window; their roles are kept where that leaves both sides filled."""
        starts, active = self.sampler.windows(self.sampler.by_id[self.track.value])
        if not len(starts):
            self.stems.children, self.roles = (), {}
            return
        column = int(np.argmin(np.abs(starts * BLOCK_S - self.window.value)))
        track = self.sampler.by_id[self.track.value]
        names = [name for name, on in zip(track.stem_names, active[:, column], strict=True) if on]
        if not {"anchor", "accompaniment"} <= {roles.get(name) for name in names}:
            roles = dict.fromkeys(names, "anchor") | {names[-1]: "accompaniment"}
        self.roles = {
            name: ipywidgets.ToggleButtons(
                options=ROLES,
                value=roles.get(name, "out"),
                style={"button_width": "120px"},
                tooltips=[f"{name}: {role}" for role in ROLES],
            )
            for name in names
        }
        for row in self.roles.values():
            row.observe(self._changed, "value")
        self.stems.children = [named(name, row) for name, row in self.roles.items()]

    def _list_amounts(self):
        kind = self.kind_menu.value
        amounts = foils.KINDS.get(kind, ())
        self.amount_menu.options = [(foils.amount_label(kind, a), a) for a in sorted(amounts)]
        if amounts:
            self.amount_menu.value = amounts[0]
        self.amount_menu.layout.display = "flex" if amounts else "none"

    def _changed(self, _=None):
        """Make the clips that the controls ask for and show them, or say why that cannot be."""
        if self._quiet:
            return
        if not self.roles:
            self.complain(f"{self.track.label}: no window in which two stems sound; choose another track.")
            return
        sides = {
            role: tuple(name for name, row in self.roles.items() if row.value == role)
            for role in ("anchor", "accompaniment")
        }
        empty = [role for role, names in sides.items() if not names]
        if empty:
            self.complain(f"No stem in the {empty[0]}; move one there.")
            return
        self.spec = PairSpec(self.track.value, self.window.value, sides["anchor"], sides["accompaniment"])
        self.kind, self.amount = self.kind_menu.value, self.amount_menu.value
        try:
            if self.kind == SURPRISE:
                foil = self._draw_foil()
            else:
                foil = foils.make_foil(self.sampler, self.spec, self.kind, self.amount, self.seed)
            anchor = self.sampler.by_id[self.spec.track_id].read(
                self.spec.anchor, self.spec.start_s, self.sampler.window_s
            )
        except (ValueError, OSError) as error:
            self.complain(str(error))
            return
        self.clips = listen.with_mix(anchor, foil.clip)
        self.show(self._document(anchor, foil))

    def _draw_foil(self):
        """Draw the true accompaniment half of the time, else a foil that this pair can have; sets `kind`, `amount`."""
        wrong = self._rng.permutation([kind for kind in foils.KINDS if kind != "coherent"])
        for kind in ("coherent", *wrong) if self._rng.random() < 0.5 else wrong:
            amounts = foils.KINDS[kind]
            self.kind, self.amount = str(kind), self._rng.choice(amounts).item() if amounts else None
            try:
                return foils.make_foil(self.sampler, self.spec, self.kind, self.amount, self.seed)
            except ValueError:
                continue
        raise ValueError(f"{self.track.label}: nothing can be done to this pair; choose another window")

    def _document(self, anchor: np.ndarray, foil: foils.Foil) -> str:
        what = in_words(foil.what, self.sampler.tracks)
        told = "what you hear as accompaniment is told below" if self.kind_menu.value == SURPRISE else what
        spec = self.spec
        stems = f"{' + '.join(spec.anchor)}, with {' + '.join(spec.positive)} ({told})"
        heard = f"{title(self.sampler.by_id[spec.track_id])}, from {spec.start_s:g} s: {stems}"
        players = listen.Players(self.clips, title=heard)._repr_html_()
        answer = f"<p>What you hear as accompaniment: {html.escape(what)}.</p>"
        if self.scorer is not None:
            answer += read_scores(self.scorer, anchor, foil.clip)
        picture = pair_picture(anchor, foil.clip)
        return (
            f"{players}<details><summary>What the score says (decide first: do they belong together?)</summary>{answer}"
            f"</details>{picture}<p><small>{HINT}</small></p>"
        )

    def __repr__(self) -> str:
        return f"audition: {self.track.value}, from {self.window.value:g} s, {self.kind_menu.value}"
