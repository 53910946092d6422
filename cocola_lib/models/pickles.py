"""Checkpoints of others, looked at before they are read: a pickle is a program, and a short one can run for ever.

PyTorch's reader runs what tensors need and nothing else, but it does not ask how long that takes. A tuple of two times
the same tuple, thirty times over, takes a few hundred bytes, and a billion steps to look up in a dictionary; a zip of
6 MB unpacks to 6 GB. So the file is measured first, in one walk over its instructions, without building anything.
"""

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

MAX_PROGRAM = 64_000_000  # bytes of instructions; the published checkpoints have less than 1 MB
MAX_NODES = 1_000_000  # values, those counted again that stand in several places
MAX_DEPTH = 100  # values inside values
FILLING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
MARK = object()


def check_checkpoint(path: Path) -> None:
    """Refuse a zipped checkpoint that would take much more memory or time than its size says.

    Raises:
        ValueError: one line, without the file's name.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
            raise ValueError("its parts are compressed or encrypted, which PyTorch never does; refused")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("its parts overlap; refused")
        for member in members:
            if member.filename.endswith("data.pkl"):
                if member.file_size > MAX_PROGRAM:
                    raise ValueError(f"{member.file_size / 1e6:.0f} MB of instructions; refused")
                check_program(archive.read(member))


def check_program(program: bytes) -> None:
    """Walk over a pickle's instructions, and refuse one that makes too much of too little.

    Raises:
        ValueError: one line.
    """
    stack, memo = [], {}  # (values, depth) of what lies there
    for code, argument, _ in _instructions(program):
        name = code.name
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else int(argument)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument)])
        elif name == "MARK":
            stack.append(MARK)
        else:
            value = _sum(_take(stack, code), name in FILLING)
            stack += [value] * len(code.stack_after)


def _instructions(program: bytes) -> Iterator[tuple]:
    """The instructions of a pickle, as `pickletools.genops` gives them."""
    try:
        yield from pickletools.genops(program)
    except ValueError as error:
        raise ValueError(f"damaged ({' '.join(str(error).split())[:120]}); copy it again") from None


def _take(stack: list, code: pickletools.OpcodeInfo) -> list:
    """What an instruction takes from the stack."""
    before = code.stack_before
    if pickletools.markobject not in before:
        return [stack.pop() for _ in before]
    taken = []
    while (top := stack.pop()) is not MARK:
        taken.append(top)
    return taken + [stack.pop() for _ in before[: before.index(pickletools.markobject)]]


def _sum(taken: list, filled: bool) -> tuple[int, int]:
    """(values, depth) of a value made of others; of a container, the last of them, that is filled with the others."""
    nodes = 1 + sum(nodes for nodes, _ in taken)
    depth = 1 + max((depth for _, depth in taken[: -1 if filled else None]), default=0)
    depth = max(depth, taken[-1][1]) if filled else depth
    if nodes > MAX_NODES or depth > MAX_DEPTH:
        raise ValueError(f"a value of {nodes} parts, {depth} deep; refused")
    return nodes, depth
