"""The YAML file of a grid: which notebooks or which training, and which values of which parameters."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SINGLE = {"train": "recipe", "profile": "profile", "data_root": "data_root"}  # key -> name of the parameter
KEYS = ("notebooks", "train", "profile", "data_root", "parameters", "fixed")


@dataclass(frozen=True)
class GridFile:
    """What a grid's file says.

    Attributes:
        notebooks: prefixes of the notebooks of each cell; empty: each cell is a training.
        parameters: name -> list of values.
        fixed: name -> value; with `recipe` of a training, `profile`, and `data_root` where it is given.
    """

    notebooks: list[str]
    parameters: dict[str, list]
    fixed: dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are those of version 1.2, 1e-3 is one, without a dot; and whose keys come once."""

    def construct_mapping(self, node, deep=False):
        """A mapping; of a key that comes twice YAML would keep the last value, and say nothing."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for i, name in enumerate(names):
            if name in names[:i]:
                raise ValueError(f"{name} is given twice (line {node.value[i][0].start_mark.line + 1}); leave one")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_grid(path: Path) -> GridFile:
    """Read the file of a grid.

    Raises:
        FileNotFoundError, ValueError: one line: no such file, no YAML, or something in it that makes no grid.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        return _grid(content)
    except (FileNotFoundError, IsADirectoryError):
        raise FileNotFoundError(f"{path}: no such file; a grid is described in YAML") from None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path}: not YAML that can be read ({error})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _grid(content: Any) -> GridFile:
    """A grid from what YAML made of the file."""
    if not isinstance(content, dict):
        raise ValueError(f"holds a {type(content).__name__}; expected lines `key: value` with the keys {_listed(KEYS)}")
    if unknown := [str(key) for key in content if key not in KEYS]:
        raise ValueError(f"unknown key {_listed(unknown)}; there are {_listed(KEYS)}")
    parameters, fixed = (_mapping(content, name) for name in ("parameters", "fixed"))
    for name, value in fixed.items():
        if value is not None and not isinstance(value, (str, bool, int, float)):
            raise ValueError(f"fixed {name} is {value!r}; give one number or text; a list belongs to parameters")
    for name, inner in SINGLE.items():
        if name in content and not isinstance(content[name], str):
            raise ValueError(f"{name} is {content[name]!r}; give one name; several are a list `{inner}` in parameters")
    above = {inner: content[name] for name, inner in SINGLE.items() if name in content}
    if twice := [name for name in above if name in fixed or name in parameters]:
        raise ValueError(f"{_listed(twice)} is given twice; leave it in one place")
    if ("notebooks" in content) == ("train" in content or "recipe" in parameters and "notebooks" not in content):
        raise ValueError('give either notebooks, such as ["02", "03"], or train, the name of a recipe')
    return GridFile(_notebooks(content.get("notebooks")), parameters, fixed | above)


def _mapping(content: dict, name: str) -> dict:
    """One part of the file, names with their values."""
    part = content.get(name)
    if part is None:
        part = {}
    if not isinstance(part, dict):
        raise ValueError(f"{name} is {part!r}; expected lines `name: value` below it")
    if strange := [key for key in part if not isinstance(key, str)]:
        raise ValueError(f"{name} has the name {strange[0]!r}; names are texts")
    return part


def _notebooks(given: Any) -> list[str]:
    """Prefixes of notebooks; YAML reads 02 as a number."""
    if given is None:
        return []
    if not isinstance(given, list) or not given or not all(isinstance(one, (str, int)) for one in given):
        raise ValueError(f'notebooks is {given!r}; give a list of them, such as ["02", "03"]')
    return [f"{one:02d}" if isinstance(one, int) else one for one in given]


def _listed(names) -> str:
    return ", ".join(names)
