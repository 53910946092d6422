"""Names that would run as scripts, wherever a name is shown: in a trusted JupyterLab, and in the live room."""

import browser
from listening_tools import music, small_study
from songs import write_bands

from cocola_lib.listening.store import Store

pytestmark = browser.needed

SCRIPT = "<img src=x onerror=window.ran=1>"  # as a made-up name may be: it has 40 characters at most
EVIL = f"{SCRIPT} $a_b$ __c__ [d](javascript:1) ![e](y)"
SETUP = """
import numpy as np, pandas as pd
from matplotlib import pyplot as plt
from cocola_lib import Scorer
from cocola_lib.data.tracks import load_tracks
from cocola_lib.listening import results
from cocola_lib.listening.folder import Study
from cocola_lib.listening.room import Room
from cocola_lib.notebook import listening, opening, plots
from cocola_lib.notebook.audition import audition
from cocola_lib.notebook.compare import compare
from cocola_lib.notebook.players import Players
from cocola_lib.notebook.quiz import quiz
from cocola_lib.notebook.runs import Run
from cocola_lib.notebook.shown import Table, Text
from cocola_lib.sampling import PairSpec, WindowSampler
plots.use_theme()
evil, study = {evil!r}, Study({study!r})
sampler = WindowSampler(load_tracks({bands!r}))
tracks, control, clip = sampler.tracks, Scorer("control"), np.sin(np.arange(80_000) / 9).astype(np.float32)
specs = [PairSpec(t.id, 0.0, t.stem_names[:1], t.stem_names[1:2]) for t in tracks]
assert "<img" in specs[0].track_id and "<img" in specs[0].anchor[0]
"""
CELLS = [
    "Table(pd.DataFrame({evil: [evil], 'a list': [[evil]]}, index=pd.Index([evil], name=evil)), evil)",
    "Text(f'- **{evil}** `{evil}`\\n- {evil}', summary=evil)",
    "opening.the_music(tracks)",
    "Players({evil: clip}, {evil: evil}, evil, small=True)",
    "names = dict.fromkeys(('item', 'track', 'system', 'rater'), evil)\n"
    "compare(pd.DataFrame([names | {'score': 1.0}]), lambda item, system: clip)",
    "hear = audition(specs, sampler, control)\nhear",
    "hear.complain(evil)\nhear",
    "quiz(specs, sampler, control)",
    "figure, ax = plt.subplots(figsize=(5, 3))\nplots.stem_activity(ax, tracks[0], specs[:1], evil)\n"
    "ax.text(0, 0, '$_^$')\nRun('run', 'hostile').figure(figure, 'a_figure')",
    "listening.hear_item(study, 0)",
    "room = Room(study)\nroom",
]
LAST = "Table(results.status(room.session.store), evil)"
HARM = """() => [
  window.ran, document.querySelectorAll('.jp-Cell [src="x"], .jp-Cell [src="y"], .jp-Cell [href^="javascript"]').length,
  document.querySelectorAll(".jp-Cell mjx-container").length,
]"""


def test_names_of_others_are_text_wherever_they_are_shown_run_and_reopened(lab, tmp_path):
    bands, songs = tmp_path / "bands", music(tmp_path / "songs")
    write_bands(bands)
    for song in list(bands.iterdir()):
        for stem in list(song.iterdir()):
            stem.rename(song / f"{stem.stem} {SCRIPT} $a_b${stem.suffix}")
        song.rename(bands / f"{song.name} {SCRIPT} $a_b$")
    for song in list(songs.iterdir()):
        song.rename(songs / f"{song.name} {SCRIPT}")
    study = small_study(lab.root / "hostile", songs)
    setup = SETUP.format(evil=EVIL, study=str(study.folder), bands=str(bands))
    with lab.open(lab.write("hostile.ipynb", [setup, *CELLS, LAST])) as page:
        page.run_all()
        room, rows = (
            page.page.locator(".listening-room"),
            page.page.locator(".jp-OutputArea-output td", has_text=SCRIPT),
        )
        box = room.get_by_label("Your made-up name")
        box.fill(SCRIPT)
        box.press("Enter")
        room.get_by_text("How to listen and rate").wait_for()
        assert room.locator(".room-progress").inner_text().startswith(SCRIPT)
        page.page.evaluate(f"n => {{ {browser.PANEL}.content.activeCellIndex = n }}", len(CELLS) + 1)
        page.command("notebook:run-cell")
        rows.last.wait_for()
        page.page.locator(".cocola-live .cocola-player[data-ready=yes]").first.wait_for()
        assert page.page.evaluate(HARM) == [None, 0, 0]
        page.page.locator(".widget-html", has_text=f"bass {SCRIPT} $a_b$").first.wait_for()
        page.screenshot("hostile")
        picture = page.page.locator(".jp-RenderedImage img").first
        assert picture.evaluate("image => getComputedStyle(image).content") == "normal"
        page.set_theme("dark")
        assert picture.evaluate("image => getComputedStyle(image).content").startswith('url("data:image/png')
        page.save()
        page.close()
        page.open("hostile.ipynb")
        rows.last.wait_for()
        assert page.page.evaluate(HARM) == [None, 0, 0]
        assert page.errors == []
    assert Store(study).find(SCRIPT) is not None
