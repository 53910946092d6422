"""Options that belong together, as one object: a command with a dozen options has a dozen fields and few parameters."""

import inspect
from collections.abc import Callable
from dataclasses import fields


def options_of(kind: type) -> Callable[[Callable], Callable]:
    """A decorator for commands: the fields of a dataclass become the command's last options.

    The command's first parameter gets them as one `kind`; of several such decorators, the lowest fills the first one.
    Fields are declared as typer's parameters are: `Annotated[type, typer.Option(...)] = default`.
    """

    def wrap(command: Callable) -> Callable:
        def called(*objects, **given):
            own = {field.name: given.pop(field.name) for field in fields(kind)}
            return command(kind(**own), *objects, **given)

        _, *others = inspect.signature(command).parameters.values()
        own = [
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
            for field in fields(kind)
        ]
        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__signature__ = inspect.Signature([*others, *own])
        return called

    return wrap
