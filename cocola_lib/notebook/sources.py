"""Source code in notebooks: the function that a section is about, as it stands in the library."""

import inspect
from pathlib import Path

from IPython.display import HTML

from cocola_lib.files import REPO


def show_source(thing) -> HTML:
    """Show the source of a function or class, folded up, with the file and line where it stands."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    lines, first = inspect.getsourcelines(thing)
    file = Path(inspect.getsourcefile(thing)).resolve()
    place = file.relative_to(REPO).as_posix() if file.is_relative_to(REPO) else file.name
    code = highlight("".join(lines), PythonLexer(), HtmlFormatter(noclasses=True, nobackground=True))
    title = f"Source of <code>{thing.__qualname__}</code>: {place}, line {first}"
    return HTML(f"<details><summary>{title}</summary>{code}</details>")
