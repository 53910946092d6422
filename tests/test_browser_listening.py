"""The listening test as a listener meets it: a real browser, sounds that play, a kernel that dies, and voila."""

import base64
import os
import re
import signal
import sys

import pytest
from browser import SCREENSHOTS, free_port, needed, own_jupyter, serve
from listening_tools import music, small_study

from cocola_lib.data import audio
from cocola_lib.listening import results
from cocola_lib.listening.folder import Settings
from cocola_lib.listening.page import CELL
from cocola_lib.listening.prepare import prepare
from cocola_lib.listening.store import Store

pytestmark = needed
CELLS = [CELL, "import os; os.getpid()"]
BYTES = """async (audio) => {
  const bytes = new Uint8Array(await (await fetch(audio.src)).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return music(tmp_path_factory.mktemp("music"))


def study_of_20_systems(folder, data):
    """Short clips of four kinds and 16 systems, all on one page."""
    outputs = folder.with_name("outputs")
    rows = ["id,conditioning,output,reference,stem_class,system"]
    for i in range(4):
        song = data / f"song {i:02d}"
        for name, stem in (("given", "chord"), ("truth", "pulse")):
            audio.write(outputs / f"{i}-{name}.wav", audio.read(song / f"{stem}.wav"))
        for system in range(16):
            other = audio.read(data / f"song {(i + system) % 12:02d}" / "pulse.wav")
            audio.write(outputs / f"{i}-{system:02d}.wav", other)
            rows.append(f"{i},{i}-given.wav,{i}-{system:02d}.wav,{i}-truth.wav,drums,system {system:02d}")
    (outputs / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    settings = Settings(pages=1, per_page=20, n_anchors=0, n_attention=0, seconds=2.0, listen_s=0.4)
    return prepare(folder, settings=settings, systems=[outputs])


class Listener:
    """A person in front of the room: reads labels, presses keys, and remembers what they answered."""

    def __init__(self, page):
        self.page, self.room, self.given = page, page.locator(".listening-room"), []

    def see(self, text):
        self.room.get_by_text(text).first.wait_for()

    def press(self, label):
        self.room.get_by_role("button", name=label, exact=True).click()

    def enter(self, name):
        box = self.room.get_by_label("Your made-up name")
        box.fill(name)
        box.press("Enter")

    def clips(self):
        return self.room.get_by_role("group").filter(has=self.page.locator("audio"))

    def play(self, clip):
        """Play by keyboard until enough was heard; it plays on until another one does."""
        clip.get_by_role("button", name=re.compile("^Play"), disabled=False).press("Space")
        clip.get_by_role("button", name=re.compile("^Stop")).wait_for()
        clip.get_by_text(re.compile("now rate it|played|, saved")).wait_for()

    def rate(self, clip, rating):
        clip.get_by_role("button").press(str(rating))
        clip.get_by_text(f"rated {rating}, saved").wait_for()
        self.given.append(rating)

    def do_page(self):
        for i in range(self.clips().count()):
            clip = self.clips().nth(i)
            self.play(clip)
            self.rate(clip, (len(self.given) * 2 + 1) % 5)

    def train(self):
        start = self.room.get_by_role("button", name="Start the test")
        assert start.is_disabled()
        for i in range(self.clips().count()):
            self.play(self.clips().nth(i))
        start.click()


def test_six_pages_with_the_kernel_killed_in_the_middle_lose_no_answer(lab, data, tmp_path):  # noqa: F811
    study = small_study(lab.root / "study", data)
    name = lab.write("room.ipynb", [f"import os; os.chdir({str(study.folder)!r})", *CELLS])
    with lab.open(name) as page:
        page.run_all()
        listener = Listener(page.page)
        listener.see("A listening test")
        page.screenshot("listening_welcome", listener.room)
        listener.enter("quiet-oboe-1")
        listener.see("How to listen and rate")
        listener.train()

        listener.see("page 1 of 6")
        clip = listener.clips().first
        assert clip.get_by_role("radio").first.is_disabled(), "rated before anything was heard"
        audio = clip.locator("audio")
        assert abs(audio.evaluate("a => a.duration") - 5.0) < 0.05
        mixes = {(study.folder / row["mix"]).read_bytes(): s for s, row in study.by_id.items()}
        plan = study.plan(0)
        heard = [mixes[base64.b64decode(audio.evaluate(BYTES))] for audio in page.page.locator("audio").all()]
        assert heard == plan[0], "the clips are not those of the plan"
        listener.play(clip)
        assert audio.evaluate("a => a.currentTime") >= 0.9
        for theme in ("dark", "light"):
            page.set_theme(theme)
            page.screenshot(f"listening_page_{theme}", listener.room)
        listener.rate(clip, 3)
        listener.given.clear()
        for number in (1, 2, 3):
            listener.see(f"page {number} of 6")
            listener.do_page()
            listener.press("Next")
        listener.see("page 4 of 6")
        clip = listener.clips().first
        listener.play(clip)
        listener.rate(clip, 4)

        os.kill(int(page.page.locator(".jp-OutputArea-output").last.inner_text()), signal.SIGKILL)
        clip.get_by_role("button").press("1")
        listener.see("The test does not answer")
        assert clip.get_by_text("saved").count() == 0, "an answer that nobody has kept is shown as saved"
        page.screenshot("listening_lost", listener.room)
        page.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
        page.wait_idle()
        page.run_all()
        listener.see("Welcome back, quiet-oboe-1")  # the browser has kept who it is
        listener.press("No, I need another name")
        listener.enter("Quiet-Oboe-1")  # capitals do not make another listener
        listener.see("Welcome back, quiet-oboe-1")
        listener.press("Yes, go on where I stopped")
        listener.see("page 4 of 6")
        listener.clips().first.get_by_text("rated 4, saved").wait_for()
        listener.given.pop()
        for number in (4, 5, 6):
            listener.see(f"page {number} of 6")
            listener.do_page()
            listener.press("Next")
        listener.see("That was the last page")
        listener.press("Back")
        listener.clips().first.get_by_text(", saved").wait_for()
        listener.press("Next")
        listener.press("Finish")
        listener.see("Thank you!")
        page.screenshot("listening_thanks", listener.room)
        with page.page.expect_download() as download:
            listener.room.get_by_role("link", name="Download my answers (CSV)").click()
        download.value.save_as(tmp_path / "mine.csv")
        assert not page.errors
    exported = results.export(Store(study), study.folder / "ratings.csv")
    assert exported["rating"].tolist() == listener.given, "the file is not what was answered"
    mine, all_of_it = tmp_path / "mine.csv", study.folder / "ratings.csv"
    assert mine.read_text(encoding="utf-8") == all_of_it.read_text(encoding="utf-8")
    assert [len(page) for page in plan] == exported.groupby("page").size().tolist()


WATCH = """() => {
  window.longest = 0;
  const watch = new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  });
  watch.observe({ type: "longtask" });
  for (const clip of document.querySelectorAll(".room-clip")) clip.drawn = true;
}"""


def test_a_page_of_20_clips_plays_one_at_a_time_and_is_not_drawn_anew_by_every_answer(lab, data, tmp_path):  # noqa: F811
    study = study_of_20_systems(lab.root / "many", data)
    name = lab.write("many.ipynb", [f"import os; os.chdir({str(study.folder)!r})", CELL])
    with lab.open(name, "dark") as page:
        page.run_all()
        listener = Listener(page.page)
        listener.enter("swift-tuba-3")
        listener.train()
        listener.see("page 1 of 1")
        clips = listener.clips()
        assert clips.count() == 20
        page.page.wait_for_function("[...document.querySelectorAll('.room-clip audio')].every((a) => a.duration > 1.9)")
        page.page.evaluate(WATCH)
        clips.nth(0).get_by_role("button").press("Space")
        page.page.wait_for_function("document.querySelector('.room-clip audio').currentTime > 0")
        # one clip runs slowly: what is rated at the very moment that its scale opens is kept
        clips.nth(5).locator("audio").evaluate("(audio) => { audio.playbackRate = 0.125; }")
        for i in range(1, 20):
            clips.nth(i).get_by_role("button").press("Space")
            playing = "[...document.querySelectorAll('.room-clip audio')].flatMap((a, i) => (a.paused ? [] : [i]))"
            assert page.page.evaluate(playing) == [i], "more than one clip sounds"
            clips.nth(i).get_by_text("now rate it").wait_for()
            listener.rate(clips.nth(i), i % 5)
        listener.see("1 clip left to rate")
        assert page.page.evaluate("[...document.querySelectorAll('.room-clip')].every((clip) => clip.drawn)")
        page.screenshot("listening_20_clips_dark")
        print(f"longest task on a page of 20 clips: {page.page.evaluate('window.longest'):.0f} ms")
        assert not page.errors
    by_clip = Store(study).answers("swift-tuba-3")
    assert [by_clip[clip] for clip in study.plan(0)[0][1:]] == listener.given


def test_voila_shows_listeners_the_test_and_no_code(chromium, data, tmp_path, tmp_path_factory):  # noqa: F811
    study = small_study(tmp_path / "study", data, n_anchors=0, n_attention=0, pages=1, per_page=2)
    port = free_port()
    command = [sys.executable, "-m", "cocola_lib", "listen", "serve", str(study.folder)]
    command += ["--port", str(port), "--no-browser", "--dark"]
    address = f"http://127.0.0.1:{port}/"
    context = chromium.new_context(viewport={"width": 1100, "height": 900})
    with serve(command, f"{address}voila/static/voila.js", own_jupyter(tmp_path_factory)):
        page = context.new_page()
        asked, refused = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: refused.append((request.failure, request.url)))
        page.goto(address)
        listener = Listener(page)
        listener.see("A listening test")
        assert "import" not in page.locator("body").inner_text()
        box = listener.room.bounding_box()
        assert (box["width"], box["height"]) == (1100, 900), "something else than the test can be seen"
        listener.enter("bright-harp-2")
        listener.see("How to listen and rate")
        page.wait_for_function("location.hash.length > 20")
        page.reload()
        listener.see("Welcome back, bright-harp-2")
        listener.press("Yes, go on where I stopped")
        listener.train()
        listener.see("page 1 of 1")
        hint, first = (listener.room.locator(part).first.bounding_box() for part in (".room-hint", ".room-clip"))
        assert hint["y"] < first["y"], "how to rate stands below what is rated"
        listener.room.locator(".room-scale label").first.click(force=True)
        listener.see("play 1 s first")
        listener.do_page()
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "listening_voila_dark.png")
        listener.press("Next")
        listener.press("Finish")
        listener.see("Thank you!")
        listener.press("Next listener")
        listener.see("A listening test")
        ours = (address, "blob:", "data:", address.replace("http", "ws"))
        outside = [url for url in asked if not url.startswith(ours) and ("csp", url) not in refused]
        assert outside == [], f"something left this machine: {refused}"
    context.close()
    assert results.ratings(Store(study))["rating"].tolist() == listener.given
