"""What compiled modules share: bytes as words, a 64-bit hash, and a type that changes with code."""

import hashlib
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any, cast

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from features.layout import inner

Bytes = NDArray[np.uint8]
_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_P5 = np.uint64(0x27D4EB2F165667C5)


def code_type(*modules: ModuleType) -> NDArray[Any]:
    """An empty array whose type names a digest of the compiled code and constants of modules.

    Numba keys its cache by the source file of the entry point alone. Given as an argument this
    makes it compile anew when any other file of the machine code has changed.
    """
    digest = hashlib.blake2b(digest_size=8)
    for module in modules:
        for name, value in sorted(vars(module).items()):
            code = getattr(getattr(value, "py_func", value), "__code__", None)
            if code is not None:
                digest.update(repr((name, _code_text(code))).encode())
            elif isinstance(value, int | np.uint64):
                digest.update(f"{name}={value}".encode())
    return np.zeros(0, [(f"code_{digest.hexdigest()}", "i1")])


def _code_text(code: CodeType) -> tuple[Any, ...]:
    """What a function does, and the functions in it; without addresses, places or comments."""
    constants = [_code_text(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, constants, code.co_names, code.co_varnames


def _load(_context: Any, address: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        pointer = context.get_value_type(types.uint64).as_pointer()
        return builder.load(builder.inttoptr(values[0], pointer), align=1)

    return types.uint64(types.int64), emit


def _load_byte(_context: Any, address: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        pointer = context.get_value_type(types.uint8).as_pointer()
        byte = builder.load(builder.inttoptr(values[0], pointer))
        return builder.zext(byte, context.get_value_type(types.int64))

    return types.int64(types.int64), emit


def _put_byte(_context: Any, address: Any, byte: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        kind = context.get_value_type(types.uint8)
        pointer = builder.inttoptr(values[0], kind.as_pointer())
        builder.store(builder.trunc(values[1], kind), pointer)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


def _store(_context: Any, address: Any, word: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        pointer = context.get_value_type(types.uint64).as_pointer()
        builder.store(values[1], builder.inttoptr(values[0], pointer), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), emit


def _get(_context: Any, row: Any, column: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.load(_cell(context, builder, types.int64, *values))

    return types.int64(types.int64, types.int64), emit


def _put(_context: Any, row: Any, column: Any, value: Any) -> Any:
    kind = types.float64 if isinstance(value, types.Float) else types.int64

    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        builder.store(values[2], _cell(context, builder, kind, *values[:2]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, kind), emit


def _cell(context: Any, builder: Any, kind: Any, row: Any, column: Any) -> Any:
    pointer = context.get_value_type(kind).as_pointer()
    return builder.gep(builder.inttoptr(row, pointer), [column])


def _rotate_left(_context: Any, word: Any, by: Any) -> Any:
    def emit(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        left, places = values
        width = context.get_constant(types.uint64, 64)
        return builder.or_(
            builder.shl(left, places), builder.lshr(left, builder.sub(width, places))
        )

    return types.uint64(types.uint64, types.uint64), emit


def _signed(_context: Any, word: Any) -> Any:
    def emit(_target: Any, _builder: Any, _signature: Any, values: Any) -> Any:
        return values[0]

    return types.int64(types.uint64), emit


def _trailing_zeros(_context: Any, word: Any) -> Any:
    def emit(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], cgutils.true_bit)

    return types.int64(types.uint64), emit


def _ones(_context: Any, word: Any) -> Any:
    def emit(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return types.int64(types.uint64), emit


load = cast(Callable[[int], np.uint64], intrinsic(_load))
"""The eight bytes at an address, little-endian, aligned or not. The caller keeps to its arrays."""
store = cast(Callable[[int, np.uint64], None], intrinsic(_store))
"""Write eight bytes to an address, little-endian, aligned or not; inverse of ``load``."""
load_byte = cast(Callable[[int], int], intrinsic(_load_byte))
"""The byte at an address."""
put_byte = cast(Callable[[int, int], None], intrinsic(_put_byte))
"""Write the byte at an address."""
get = cast(Callable[[int, int], int], intrinsic(_get))
"""The int64 of a row (an address) at a column (a number)."""
put = cast(Callable[[int, int, float], None], intrinsic(_put))
"""Set the int64, or float64, of a row (an address) at a column (a number)."""
rotate = cast(Callable[[np.uint64, int], np.uint64], intrinsic(_rotate_left))
"""The word with its bits rotated to the left by 1 to 63 places."""
signed = cast(Callable[[np.uint64], int], intrinsic(_signed))
"""The word as a signed number."""
trailing_zeros = cast(Callable[[np.uint64], int], intrinsic(_trailing_zeros))
"""Number of zero bits below the lowest bit that is set; the word is not zero."""
ones = cast(Callable[[np.uint64], int], intrinsic(_ones))
"""Number of bits that are set."""


@inner
def address_of(array: NDArray[Any]) -> int:
    """Where the data of an array are; the array must outlive the use of the address."""
    return signed(np.uint64(array.ctypes.data))


@inner
def _round(lane: np.uint64, value: np.uint64) -> np.uint64:
    return rotate(lane + value * _P2, 31) * _P1


@inner
def _merge(value: np.uint64, lane: np.uint64) -> np.uint64:
    return (value ^ _round(np.uint64(0), lane)) * _P1 + _P4


@inner
def xxh64(start: int, stop: int, seed: np.uint64) -> np.uint64:
    """XXH64 of the bytes between two addresses (the xxHash specification; tests compare)."""
    at = start
    if stop - start >= 32:
        a, b = seed + _P1 + _P2, seed + _P2
        c, d = seed, seed - _P1
        while at + 32 <= stop:
            a, b = _round(a, load(at)), _round(b, load(at + 8))
            c, d = _round(c, load(at + 16)), _round(d, load(at + 24))
            at += 32
        value = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)
        value = _merge(_merge(_merge(_merge(value, a), b), c), d)
    else:
        value = seed + _P5
    value += np.uint64(stop - start)
    while at + 8 <= stop:
        value = rotate(value ^ _round(np.uint64(0), load(at)), 27) * _P1 + _P4
        at += 8
    if at + 4 <= stop:
        half = np.uint64(0)
        for i in range(4):
            half |= np.uint64(load_byte(at + i)) << np.uint64(8 * i)
        value = rotate(value ^ (half * _P1), 23) * _P2 + _P3
        at += 4
    while at < stop:
        value = rotate(value ^ (np.uint64(load_byte(at)) * _P5), 11) * _P1
        at += 1
    value = (value ^ (value >> np.uint64(33))) * _P2
    value = (value ^ (value >> np.uint64(29))) * _P3
    return value ^ (value >> np.uint64(32))
