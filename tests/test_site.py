"""The site: links lead to pages; in a real browser players play, formulas show, and no other server is asked."""

import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import browser
import nbformat
import pytest
from scipy.stats import wilcoxon

from cocola_lib.workshop import site
from cocola_lib.workshop.pages import conf
from cocola_lib.workshop.reference import FOLDER

README = Path("README.md")
NOTEBOOK = "00_start_here.ipynb"
UNDOCUMENTED = ("cocola_lib/workshop/site.py", "cocola_lib/data/miniatures/singer.py")  # on no page of the library


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, without a line for each request."""

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize(
    ("link", "page", "leads_to"),
    [
        ("notebooks/00_start_here.ipynb", README, "notebooks/00_start_here.ipynb"),
        ("outputs/reference/00_start_here.ipynb", README, "notebooks/00_start_here.ipynb"),
        ("outputs/reference", README, "tables.md"),
        ("../README.md#results", Path("notebooks/00_start_here.ipynb"), "../index.md#results"),
        ("../cocola_lib/sampling.py", Path("notebooks/00_start_here.ipynb"), "#cocola_lib.sampling"),
        ("cocola_lib/data/stems.py", README, "#cocola_lib.data.stems"),
        *((file, README, f"{site._repository()}/blob/main/{file}") for file in UNDOCUMENTED),
        ("notebooks/solutions", README, f"{site._repository()}/tree/main/notebooks/solutions"),
        ("LICENSE", README, "LICENSE"),
        ("#results", README, "#results"),
        ("mailto:somebody", README, "mailto:somebody"),
    ],
)
def test_a_link_leads_to_a_page_a_copy_or_the_repository(link, page, leads_to, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / NOTEBOOK).touch()
    assert site.linked(f"[text]({link})", page, tmp_path) == f"[text]({leads_to})"
    assert (tmp_path / "LICENSE").exists() == (link == "LICENSE")


def test_widgets_are_shown_as_text_and_papermills_cell_is_left_out(tmp_path):
    out = nbformat.v4.new_output("display_data", {site.WIDGET: {"model_id": "1"}, "text/plain": "controls"})
    cells = [nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["injected-parameters"]})]
    cells.append(nbformat.v4.new_code_cell("w", outputs=[out]))
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {}})
    shown = site.shown(notebook, Path("notebooks/a.ipynb"), tmp_path)
    assert [cell.source for cell in shown.cells] == ["w"] and "widgets" not in shown.metadata
    assert shown.cells[0].outputs[0].data == {"text/plain": "controls"}


def test_short_tables_are_shown_and_every_table_is_a_file(tmp_path):
    (tmp_path / "03_short.csv").write_text("a,b\n1.23456,\n", encoding="utf-8")
    (tmp_path / "03_long.csv").write_text("a\n" + "1\n" * (site.MOST_ROWS + 1), encoding="utf-8")
    page = site.tables(sorted(tmp_path.glob("*.csv")))
    assert "| 1.23 |" in page and "nan" not in page
    assert "[03_long.csv](tables/03_long.csv), 41 rows" in page


def test_functions_that_a_module_imports_of_other_packages_are_not_looked_at():
    skipped = [conf.imported(None, "module", "x", member, False, None) for member in (wilcoxon, site.build, site.CORE)]
    assert skipped == [True, False, False]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A site with one notebook and the core alone, on a server of this machine."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "run" / "tables").mkdir(parents=True)
    shutil.copy(FOLDER / NOTEBOOK, folder / "run")
    shutil.copy(FOLDER / "tables" / "00_accuracy.csv", folder / "run" / "tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "ROOMS", ())
        site.build(folder / "out", folder / "run")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder / "out")) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder / "out", f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.browser
@pytest.mark.skipif(browser.BINARY is None, reason="no Chromium on this machine")
def test_players_play_formulas_show_links_lead_somewhere_and_no_other_server_is_asked(pages, chromium):
    folder, url = pages
    page, asked, broken = chromium.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda response: broken.append(response.url) if response.status >= 400 else None)
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda said: broken.append(said.text) if "theme mode" in said.text else None)
    for name in ("notebooks/00_start_here.html", "api/core.html", "tables.html", "index.html"):
        page.goto(url + name)
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href.split('#')[0].split('?')[0])")
        for link in {link.removeprefix(url) for link in links if link.startswith(url)}:
            assert (folder / link).exists(), f"{name} leads to {link}"
    page.goto(url + "notebooks/00_start_here.html")
    page.eval_on_selector("audio", "player => player.play()")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.2")
    assert page.locator("math").first.bounding_box()["width"] > 10
    sheet, figure = page.locator(".text_html p").first, page.locator(".text_html:has([data-dark]) ~ img").first
    assert figure.evaluate("image => getComputedStyle(image).content") == "normal"
    page.emulate_media(color_scheme="dark")
    page.reload()
    assert figure.evaluate("image => getComputedStyle(image).content").startswith('url("data:image/png')
    for shown in (figure, sheet.locator("xpath=..")):
        assert shown.evaluate("it => getComputedStyle(it).backgroundColor") == "rgba(0, 0, 0, 0)"
    page.goto(url + "api/core.html")
    assert page.locator("#cocola_lib\\.scoring\\.Scorer").count() == 1
    browser.SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=browser.SCREENSHOTS / "site_api.png")
    page.close()
    assert not broken
    assert not [address for address in asked if not address.startswith((url, "data:", "blob:"))]
