"""Sliding medians of 31 as one sorting network, written once and run on SIMD lanes (numba) or whole tensors (torch).

16 neighbouring windows of 31 share 16 elements. Sort those once; give each half of the windows the 8 elements that
only it shares and drop what can no longer be the median; then 4, then 2, then 1. About 34 minima and maxima per
median, no branch, no data-dependent access. LLVM turns each into one instruction on as many floats as the processor
has lanes (16 with AVX-512, 8 with AVX2, 4 with NEON); no C compiler is needed. The results are scipy's, bit for bit.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

KERNEL = 31  # elements per window
HALF = KERNEL // 2
TILE = 16  # neighbouring windows computed together, and floats per vector
SPAN = TILE + KERNEL - 1  # elements that a tile's windows cover


def median_network(x, minimum, maximum):
    """Medians of x[i : i + 31] for i in 0..15.

    Args:
        x: list of 46 values (numbers, vectors, tensors: whatever the two functions take).
        minimum, maximum: elementwise functions of two values.
    Returns:
        List of 16 values.
    """
    sort = _Sorter(minimum, maximum)

    def split(first, last, core):  # windows first..last share x[last : first + 31], of which core can be the median
        if first == last:
            return [core[0]]
        n = (last - first + 1) // 2
        left = split(first, last - n, sort.middle(core, sort.ordered(x[last - n : last])))
        right = split(first + n, last, sort.middle(core, sort.ordered(x[first + KERNEL : first + KERNEL + n])))
        return left + right

    return split(0, TILE - 1, sort.ordered(x[TILE - 1 : KERNEL]))


class _Sorter:
    """Sorting networks made of minima and maxima."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def ordered(self, v):
        """Sort a list."""
        half = len(v) // 2
        return self.merge(self.ordered(v[:half]), self.ordered(v[half:])) if half else v

    def merge(self, a, b):
        """Merge two sorted lists of equal length: Batcher's odd-even merge."""
        if len(a) == 1:
            return [self.minimum(a[0], b[0]), self.maximum(a[0], b[0])]
        even, odd = self.merge(a[::2], b[::2]), self.merge(a[1::2], b[1::2])
        out = [value for pair in zip(even, odd, strict=True) for value in pair]
        for i in range(1, len(out) - 1, 2):
            self.exchange(out, i, i + 1)
        return out

    def middle(self, core, extra):
        """The middle n of 2n sorted candidates and n new sorted values."""
        n = len(extra)
        low = [self.maximum(core[i], extra[n - 1 - i]) for i in range(n)]  # the n smallest cannot be the median
        low = self.bitonic(low)
        return self.bitonic([self.minimum(core[n + i], low[n - 1 - i]) for i in range(n)])  # nor can the n largest

    def bitonic(self, v):
        """Sort a list that first rises, then falls (or the reverse)."""
        half = len(v) // 2
        if half:
            for i in range(half):
                self.exchange(v, i, i + half)
            v[:half], v[half:] = self.bitonic(v[:half]), self.bitonic(v[half:])
        return v

    def exchange(self, v, i, j):
        v[i], v[j] = self.minimum(v[i], v[j]), self.maximum(v[i], v[j])


def mirrored(n, before, after):
    """Indices -before..n+after-1 folded back as scipy's mode "reflect" does (d c b a | a b c d | d c b a)."""
    i = np.arange(-before, n + after) % (2 * n)
    return np.where(i < n, i, 2 * n - 1 - i)


def median_torch(x):
    """Sliding medians of 31 along the last axis, edges mirrored: (..., N) -> (..., N), on any device."""
    import torch

    n = x.shape[-1]
    tiles = -(-n // TILE)
    index = torch.from_numpy(mirrored(n, HALF, HALF + tiles * TILE - n)).to(x.device)
    padded = x[..., index]  # (..., 16 tiles + 30)
    rows = [padded[..., i : i + TILE * (tiles - 1) + 1 : TILE] for i in range(SPAN)]  # 46 of (..., tiles)
    medians = median_network(rows, torch.minimum, torch.maximum)
    return torch.stack(medians, dim=-1).flatten(-2)[..., :n]


_VECTOR = ir.VectorType(ir.FloatType(), TILE)


def _transposed(builder, rows):
    """16 vectors of 16 -> their transpose, by four rounds of exchanging blocks of 8, 4, 2, 1."""
    for block in (8, 4, 2, 1):
        out = list(rows)
        for i in range(TILE):
            if not i & block:
                lanes = [k if not k & block else TILE + k - block for k in range(TILE)]
                other = [k + block if not k & block else TILE + k for k in range(TILE)]
                for row, order in ((i, lanes), (i + block, other)):
                    mask = ir.Constant(ir.VectorType(ir.IntType(32), TILE), order)
                    out[row] = builder.shuffle_vector(rows[i], rows[i + block], mask)
        rows = out
    return rows


def _tile(n_rows, network, transpose):
    """A numba intrinsic: n_rows rows of 16 floats of one 2-D array -> 16 rows of 16 floats of another."""

    @intrinsic
    def tile(typing, source, row, column, target, out_row, out_column):
        signature = types.void(source, types.intp, types.intp, target, types.intp, types.intp)

        def generate(context, builder, signature, arguments):
            def pointer(kind, value, row, column):
                array = context.make_array(kind)(context, builder, value)
                stride = builder.extract_value(array.strides, 0)
                start = builder.ptrtoint(array.data, stride.type)
                offset = builder.add(builder.mul(row, stride), builder.mul(column, stride.type(4)))
                return builder.add(start, offset), stride

            def address(base, stride, i):
                place = builder.add(base, builder.mul(stride, stride.type(i)))
                return builder.inttoptr(place, _VECTOR.as_pointer())

            read = pointer(signature.args[0], *arguments[:3])
            write = pointer(signature.args[3], *arguments[3:])
            rows = [builder.load(address(*read, i), align=4) for i in range(n_rows)]

            def minimum(a, b):
                return builder.select(builder.fcmp_ordered("<", a, b), a, b)

            def maximum(a, b):
                return builder.select(builder.fcmp_ordered("<", a, b), b, a)

            if network:
                rows = network(rows, minimum, maximum)
            if transpose:
                rows = _transposed(builder, rows)
            for i, value in enumerate(rows):
                builder.store(value, address(*write, i), align=4)
            return context.get_dummy_value()

        return signature, generate

    return tile


_median_tile = _tile(SPAN, median_network, transpose=False)
_median_transposed_tile = _tile(SPAN, median_network, transpose=True)
_transposed_tile = _tile(TILE, None, transpose=True)


@numba.njit(cache=True, nogil=True)
def median_rows(padded, out):
    """Medians of 31 down each column: (n + 30, m) -> (n, m); n and m multiples of 16."""
    for row in range(0, out.shape[0], TILE):
        for column in range(0, out.shape[1], TILE):
            _median_tile(padded, row, column, out, row, column)


@numba.njit(cache=True, nogil=True)
def median_rows_transposed(padded, out):
    """As `median_rows`, written transposed: (n + 30, m) -> (m, n)."""
    for row in range(0, out.shape[1], TILE):
        for column in range(0, out.shape[0], TILE):
            _median_transposed_tile(padded, row, column, out, column, row)


@numba.njit(cache=True, nogil=True)
def transpose(source, skip, out):
    """Rows skip... of source, transposed into the rows of out: (skip + n, m) -> (m, n); n and m multiples of 16."""
    for row in range(0, out.shape[1], TILE):
        for column in range(0, out.shape[0], TILE):
            _transposed_tile(source, row + skip, column, out, column, row)
