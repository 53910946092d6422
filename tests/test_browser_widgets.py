"""Audition, quiz and comparison in a real JupyterLab: chosen, heard, revealed, reopened; with pictures of each."""

import base64
import io
import json

import browser
import nbformat
import numpy as np
import pytest
import soundfile
from nbclient import NotebookClient
from songs import write_bands

from cocola_lib.data.tracks import load_tracks
from cocola_lib.notebook import players as listen

pytestmark = browser.needed

SETUP = """
from cocola_lib import Scorer
from cocola_lib.sampling import PairSpec, WindowSampler
from cocola_lib.data.tracks import load_tracks
sampler = WindowSampler(load_tracks({music!r}))
specs = [PairSpec(t.id, 0.0, ("bass",), ("keys",)) for t in sampler.tracks]
control = Scorer("control")
"""
AUDITION = "from cocola_lib.notebook.audition import audition\nhear = audition(specs, sampler, control)\nhear"
QUIZ = """
from cocola_lib.notebook.quiz import quiz
game = quiz(specs, sampler, control, kinds=("other track", "delayed"), answers="answers.csv")
game
"""
COMPARE = """
import numpy as np, pandas as pd
from cocola_lib.notebook.compare import compare
def clip(item, system):
    rng = np.random.default_rng(sum(map(ord, system)))
    return (0.1 * rng.standard_normal(80_000) * np.linspace(0, 1, 80_000)).astype(np.float32)
names = [f"system {i}" for i in range(10)]
table = pd.DataFrame([{"item": 0, "system": name, "mode": mode, "score": (7 * i + len(mode)) % 10}
                      for i, name in enumerate(names) for mode in ("P+H", "H")])
compare(table, clip)
"""
MARKS = """() => [...document.querySelectorAll(".jupyter-widgets-disconnected")].map(
  (control) => getComputedStyle(control, "::before").content)"""
LIVE = ".cocola-live .cocola-player[data-ready=yes]"


TAP = """async () => {
    const context = new AudioContext({sampleRate: 16000});
    const code = `registerProcessor("tap", class extends AudioWorkletProcessor {
        process([input]) { if (input.length) this.port.postMessage(input[0].slice()); return true; }
    })`;
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
    const tap = new AudioWorkletNode(context, "tap");
    tap.connect(context.destination);
    window.heard = [];
    tap.port.onmessage = (event) => window.heard.push(...event.data);
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...rest) {
        return connect.call(this, to === context.destination ? tap : to, ...rest);
    };
    window.cocola.context = context;
}"""  # everything that a player sends to the loudspeakers, sample by sample


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Four songs of three stems, 12 s each."""
    root = tmp_path_factory.mktemp("music")
    write_bands(root)
    return root


def sounds(page, within):
    """label -> (N,) of every clip in a part of the page, fetched back from its audio element.

    An untrusted page loses the labels of the elements themselves; the names of their rows stay.
    """
    script = "all => all.map(a => [a.ariaLabel ?? a.closest('tr').cells[0].textContent, a.src])"
    found = page.locator(f"{within} audio").evaluate_all(script)
    return {
        label: soundfile.read(io.BytesIO(base64.b64decode(src.split(",")[1])), dtype="float32")[0]
        for label, src in found
    }


def plays(page, within):
    """Whether a native player has the clip's length and its position moves."""
    first = page.locator(f"{within} audio").first
    first.evaluate("a => a.readyState >= 2 || new Promise(done => a.addEventListener('canplay', done))")
    assert abs(first.evaluate("a => a.duration") - 5.0) < 0.1
    first.evaluate("a => { a.muted = true; return a.play() }")
    page.wait_for_function("s => document.querySelector(s + ' audio').currentTime > 0.1", arg=within)
    first.evaluate("a => a.pause()")
    return True


def assert_switched_in_place(samples, first, second):
    """The output is one clip and then the other, at the position that has been reached, within 50 ms and no gap."""
    samples = np.array(samples, dtype=np.float32)
    start = np.flatnonzero(samples)[0] - np.flatnonzero(first)[0]
    out = samples[start:]
    first, second = (np.resize(clip, len(out)) for clip in (first, second))  # they repeat
    is_first, is_second = (np.abs(out - clip) < 2e-4 for clip in (first, second))
    switch = np.flatnonzero(~is_first)[0]
    assert switch > 4000
    assert is_second[switch + 800 : switch + 4800].sum() == 4000
    low, high = np.minimum(first, second), np.maximum(first, second)
    fade = slice(switch, switch + 800)  # between the two: louder than neither, and silent only where both are
    assert ((out[fade] >= low[fade] - 2e-4) & (out[fade] <= high[fade] + 2e-4)).mean() > 0.99


def test_the_audition_plays_what_it_is_labelled_with_and_switches_in_place(lab, music):  # noqa: F811
    name = lab.write("audition.ipynb", [SETUP.format(music=str(music)), AUDITION])
    with lab.open(name) as page:
        page.run_all()
        player = page.page.locator(LIVE)
        player.wait_for()
        track = load_tracks(music)[0]
        expected = listen.with_mix(track.read(("bass",), 0.0, 5.0), track.read(("keys",), 0.0, 5.0))
        heard = sounds(page.page, LIVE)
        for (label, samples), wanted in zip(heard.items(), listen.match_levels(list(expected.values())), strict=True):
            np.testing.assert_allclose(samples, wanted, atol=1e-4, err_msg=label)
        assert list(heard) == ["anchor", "accompaniment", "together"]
        assert not page.page.locator(".cocola-static").first.is_visible()  # one copy is enough
        broad = player.evaluate("it => it.querySelector('caption').offsetWidth / it.offsetWidth")
        assert broad > 0.95, "a long title wraps where the clips end, with the page empty beside it"

        page.page.evaluate(TAP)
        player.get_by_role("button", name="Play").click()
        page.page.wait_for_function("window.heard.length > 8000")  # half a second
        page.page.keyboard.press("3")
        assert player.get_attribute("data-chosen") == "together"
        assert player.get_attribute("data-playing") == "yes"
        page.page.wait_for_function("n => window.heard.length > n", arg=page.page.evaluate("heard.length") + 8000)
        page.page.keyboard.press(" ")  # the focus is on the clip, so this is no click on the button
        assert player.get_attribute("data-playing") == "no"
        assert_switched_in_place(page.page.evaluate("heard"), heard["anchor"], heard["together"])

        scores = page.page.locator(".cocola-live details")
        assert not scores.locator("table").is_visible()
        scores.locator("summary").focus()
        page.page.keyboard.press("Enter")
        assert scores.locator("table tbody tr").count() == 3
        page.screenshot("audition light")

        page.page.get_by_label("Kind").select_option("delayed")
        page.page.locator(LIVE, has_text="250 ms late").wait_for()
        late = sounds(page.page, LIVE)["accompaniment"]
        shift = np.argmax(np.correlate(late[:40_000], heard["accompaniment"][:36_000], "valid"))
        assert shift == 4000  # 250 ms
        page.page.get_by_role("button", name="Surprise me").click()
        page.page.locator(LIVE, has_text="is told below").wait_for()
        page.set_theme("dark")
        page.screenshot("audition dark")
        surprise = sounds(page.page, LIVE)

        page.save()
        page.close()
        page.open(name)
        again = ".cocola-document:not([hidden])"
        page.page.locator(f"{again} .cocola-player[data-ready=yes]").wait_for()
        for label, samples in sounds(page.page, again).items():
            np.testing.assert_array_equal(samples, surprise[label])
        page.screenshot("audition reopened")
        assert page.errors == []


def test_the_quiz_counts_answers_and_goes_on_after_a_restart(lab, music):  # noqa: F811
    name = lab.write("quiz.ipynb", [SETUP.format(music=str(music)), QUIZ])
    with lab.open(name) as page:
        page.run_all()
        for question in (1, 2):
            page.page.locator(LIVE, has_text=f"Question {question}").wait_for()
            assert not page.page.locator(".cocola-live .cocola-peek").is_visible()
            page.page.get_by_role("button", name="A belongs").click()
            page.page.locator(".cocola-live [role=status]", has_text="The model chose").wait_for()
            assert page.page.get_by_role("button", name="B belongs").is_disabled()
            page.screenshot(f"quiz {question}")
            page.page.get_by_role("button", name="Start over").click()  # asks, and is not answered
            page.page.get_by_role("button", name="Forget all answers?").wait_for()
            page.page.get_by_role("button", name="Next").click()
        page.page.locator(LIVE, has_text="Question 3").wait_for()
        assert len((lab.root / "answers.csv").read_text().splitlines()) == 3
        page.restart()
        page.page.locator(".cocola-panel .jupyter-widgets-disconnected").first.wait_for()
        assert set(page.page.evaluate(MARKS)) == {"none"}, "controls without a kernel wear the mark of a broken link"
        page.run_all()
        page.page.locator(LIVE, has_text="Question 3").wait_for()
        page.set_theme("dark")
        page.screenshot("quiz dark")
        assert page.errors == []


def test_a_page_of_twenty_clips_sorts_and_plays(lab):  # noqa: F811
    name = lab.write("compare.ipynb", [COMPARE])
    with lab.open(name) as page:
        page.run_all()
        player = page.page.locator(LIVE)
        player.wait_for()
        durations = player.locator("audio").evaluate_all(
            "all => Promise.all(all.map(a => a.readyState ? a.duration : "
            "new Promise(done => a.addEventListener('loadedmetadata', () => done(a.duration)))))"
        )
        assert len(durations) == 21  # ten systems, alone and not, and the conditioning
        assert max(abs(d - 5.0) for d in durations) < 0.1
        column = "rows => rows.slice(1).map(r => +r.cells[2].dataset.value)"
        player.get_by_role("button", name="H", exact=True).click()
        values = player.locator("tbody tr").evaluate_all(column)
        assert values == sorted(values, reverse=True)
        player.get_by_role("button", name="H", exact=True).click()
        assert player.locator("tbody tr").evaluate_all(column) == sorted(values)
        first = player.locator("tbody tr").nth(1).locator("th").inner_text()
        player.get_by_role("radio", name="system 3, alone").check()
        page.page.keyboard.press("2")
        assert player.get_attribute("data-chosen") == f"{first}, with the conditioning"  # the second clip as sorted
        player.get_by_role("radio", name="system 3, alone").check()
        player.get_by_role("button", name="Play").click()
        page.page.wait_for_function("s => document.querySelector(s).dataset.position > 0.2", arg=LIVE)
        assert player.get_attribute("data-chosen") == "system 3, alone"
        page.screenshot("compare light")
        page.set_theme("dark")
        page.screenshot("compare dark")
        assert page.errors == []


def test_an_executed_notebook_that_nobody_trusts_still_plays_and_tells(lab, music):  # noqa: F811
    cells = [SETUP.format(music=str(music)), AUDITION, QUIZ.replace('answers="answers.csv"', "")]
    path = lab.root / lab.write("executed.ipynb", cells)
    notebook = NotebookClient(nbformat.read(path, as_version=4), timeout=300, kernel_name="python3").execute()
    nbformat.write(notebook, path)
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert "Surprise me" in json.dumps(state)  # the controls are stored with it
    with lab.open("executed.ipynb") as page:
        static = ".jp-OutputArea-output .cocola-static"
        page.page.locator(static).first.wait_for()
        assert page.page.locator(".cocola-bar").count() == 0  # no script ran
        assert plays(page.page, static)
        assert list(sounds(page.page, static))[:3] == ["anchor", "accompaniment", "together"]
        assert page.page.get_by_text("Controls are here when").count() == 2  # and not the names of forty widgets
        page.page.locator(f"{static} summary").first.click()
        assert page.page.locator(f"{static} details").first.locator("table").is_visible()
        page.screenshot("untrusted")


def test_errors_of_jupyterlab_are_not_ours_and_all_others_are(lab):  # noqa: F811
    throw = """([name, source]) => setTimeout(() => eval(`throw new Error("of ${name}") //# sourceURL=${source}`))"""
    sources = {
        "core": "http://127.0.0.1/static/lab/core.js",
        "manager": "http://127.0.0.1/lab/extensions/@jupyter-widgets/manager.js",
        "widget": "blob:http://127.0.0.1/widget",
    }
    fails = """import anywidget
class Fails(anywidget.AnyWidget):
    _esm = "export default { render() { setTimeout(() => { throw new Error('of a real one') }) } }"
Fails()"""
    with lab.open(lab.write("errors.ipynb", [fails])) as page:
        for source in sources.items():
            with page.page.expect_event("pageerror"):
                page.page.evaluate(throw, source)
        assert len(page.errors) == 1 and "of widget" in page.errors[0]
        with page.page.expect_event("pageerror"):
            page.run_all()
        assert len(page.errors) == 2 and "of a real one" in page.errors[1]
