"""Sphinx reads this for `make site`; `cocola_lib.workshop.site` lays the pages out."""

import inspect
import re
import tomllib

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

import cocola_lib
from cocola_lib.files import REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project, release = "COCOLA", cocola_lib.__version__
author = copyright = PROJECT["authors"][0]["name"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
root_doc = "index"
default_role = "code"

# pages
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # what is shown is the reference run
nb_ipywidgets_js: dict = {}  # players need no kernel; a manager of widgets would come from another server

# docstrings
autodoc_inherit_docstrings = False
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # many objects have a name
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # they stand in the signatures, and docstrings give shapes and units
autodoc_preserve_defaults = True

# look
html_math_renderer = "mathml"
html_copy_source = False
html_theme = "sphinx_book_theme"
html_title = "COCOLA"
html_static_path, html_css_files = ["static"], ["pages.css"]
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "repository_url": PROJECT["urls"]["Repository"],
    "path_to_docs": "",
    "use_repository_button": True,
    "use_download_button": False,
    "launch_buttons": {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"},
}


def as_restructured_text(app, what, name, obj, options, lines):
    """Docstrings are plain text: bars and stars are no markup, and a table in Markdown is shown as it is typed."""
    text = []
    for line in lines:
        is_row, in_table = line.startswith("|"), bool(text) and text[-1].startswith("    |")
        if is_row and not in_table:
            text += ["", "::", ""]
        elif in_table and not is_row:
            text.append("")
        plain = re.sub(r"(`[^`]*`)|([|*])", lambda found: found[1] or f"\\{found[2]}", line)
        text.append(f"    {line}" if is_row else plain)
    lines[:] = text


def imported(app, what, name, obj, skip, options):
    """Functions of other packages have no place here, and Sphinx stumbles over the arguments of some of SciPy's."""
    ours = not inspect.isroutine(obj) or (obj.__module__ or "").startswith("cocola_lib")
    return skip if ours else True


def inline_math(self, node):
    """MathML, which browsers draw by themselves: no script, no fonts, no other server."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_of_math(self, node):
    """The same, on a line of its own."""
    self.body.append(f"<div class='math'>{tex2mathml(node.astext(), as_block=True)}</div>")
    raise nodes.SkipNode


def setup(app):
    """Docstrings are prepared before napoleon reads arguments and results from them."""
    app.add_html_math_renderer("mathml", (inline_math, None), (block_of_math, None))
    app.connect("autodoc-skip-member", imported)
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)
