"""What a light install leaves out: a room that needs more says so at its door, in one line."""

from importlib.util import find_spec


class ExtraMissing(ImportError):  # noqa: N818 - reads as what happened
    """A package that one of the library's extras brings is not installed."""


def need(extra: str, *modules: str) -> None:
    """Refuse to go on without modules that an extra of the package brings.

    Args:
        extra: as in `pip install "cocola-lib[extra]"`.
        modules: what is imported behind this door, by the names that Python gives them.

    Raises:
        ExtraMissing: one line: which modules are missing, and what brings them.
    """
    if missing := [name for name in modules if find_spec(name) is None]:
        raise ExtraMissing(f'{", ".join(missing)} not installed: pip install "cocola-lib[{extra}]" brings it')
