"""The two decorators of compiled functions; for every layer."""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

_bare: dict[str, Any] = {"_nrt": False}  # numba's own kernels use it; its annotations do not know it
kernel: Any = njit(cache=True, nogil=True, error_model="numpy", **_bare)
"""Of a kernel: cached on disk, releases the interpreter's lock, fastmath off; it makes no array and returns none.

Without numba's runtime (`_nrt`) a view of an array costs nothing. With it each view is counted, atomically, in a number that all
threads share: calibration took five times as long, and two shards waited for each other (docs/explanation/profile.md).
"""
allocating: Any = njit(cache=True, nogil=True, error_model="numpy")
"""The same for what makes arrays. It takes no views in its loops, but calls kernels that do."""


@kernel
def copy(source: NDArray[Any], begin: int, end: int, target: NDArray[Any], at: int) -> None:
    """target[at:] becomes source[begin:end], both of one dimension; a slice set to a slice would make an array in between."""
    for k in range(end - begin):
        target[at + k] = source[begin + k]


@intrinsic
def _prefetch(typingctx: Any, array: Any, row: Any, offset: Any) -> Any:
    """Ask for the cache line `offset` bytes into array[row], of any shape, which is to be read and written soon."""
    from llvmlite import ir

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        table = context.make_array(signature.args[0])(context, builder, args[0])
        at, of = (context.cast(builder, value, kind, types.intp) for value, kind in zip(args[1:], signature.args[1:], strict=True))
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.gep(
            builder.bitcast(table.data, byte), [builder.add(builder.mul(at, builder.extract_value(table.strides, 0)), of)]
        )
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        # to be written, to be kept, data
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", [byte], kind), [place, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, row, offset), codegen


prefetch: Any = _prefetch
"""Only a hint: memory that is on its way when a kernel comes to it costs a fraction. See `_prefetch`."""
LINE = 64
"""Bytes in a cache line."""
AHEAD = 3
"""How many samples ahead a kernel asks for the state of a series: a sample takes about as long as memory does."""
