"""Decimal numbers and words read from bytes inside kernels, eight bytes at a step, bit-equal to `float()`; for text decoders.

Callers guarantee a byte that ends every scan (a line feed) and eight readable bytes behind it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.hashing import load8
from awry.core.kernel import kernel

NOT_A_NUMBER, EXACT, CUT, NAN, INFINITE = 0, 1, 2, 3, 4
"""What `scan_number` found: nothing, all digits, more than 19 digits (the mantissa is cut), the word nan, the word inf."""

MAX_TIME_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the latest time any door lets in."""
MIN_TIME_MS = -62_135_596_800_000
"""0001-01-01T00:00:00Z, the earliest."""

POWERS = np.array([float(f"1e{e}") for e in range(23)])
WHOLE_POWERS = np.array([10**e for e in range(20)], dtype=np.uint64)
_MOST = np.array([MAX_TIME_MS // 10**e for e in range(20)], dtype=np.uint64)
FAR = 307
"""Powers of ten up to here, both ways, are multiplied in 128 bits; beyond (no normal double is surely meant), Python reads it."""


def _leading_bits(power: int) -> tuple[int, int]:
    """The first 128 bits of 10**power, rounded down, as (high, low) words."""
    if power >= 0:
        bits = 10**power << 128 >> (10**power).bit_length()
    else:
        size = (10**-power).bit_length()
        bits = (1 << 127 + size) // 10**-power
        bits >>= bits.bit_length() - 128
    return bits >> 64, bits & 0xFFFFFFFFFFFFFFFF


_LEADING = np.array([_leading_bits(e) for e in range(-FAR, FAR + 1)], dtype=np.uint64)
_LOW = np.uint64(0xFFFFFFFF)
_BELOW = np.uint64(0x1FF)
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_BLANKS = np.uint64(0x2121212121212121)
_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_HALF = np.uint64(0xF0F0F0F0F0F0F0F0)
_ZEROS = np.uint64(0x3030303030303030)
_SIXES = np.uint64(0x0606060606060606)
_PAIR = np.uint64(0x000000FF000000FF)


@kernel
def word_end(data: NDArray[np.uint8], at: int) -> int:
    """Index of the first byte at or after `at` that is a blank or a control character (<= 0x20)."""
    while True:
        word = load8(data, at)
        found = (word - _BLANKS) & ~word & _HIGHS
        if found != 0:
            lowest = found & (~found + np.uint64(1))
            return at + int((((lowest - np.uint64(1)) & _ONES) * _ONES) >> np.uint64(56)) - 1
        at += 8


@kernel
def line_end(data: NDArray[np.uint8], at: int) -> int:
    """Index of the first line feed at or after `at`."""
    while True:
        word = load8(data, at) ^ _FEEDS
        found = (word - _ONES) & ~word & _HIGHS
        if found != 0:
            lowest = found & (~found + np.uint64(1))
            return at + int((((lowest - np.uint64(1)) & _ONES) * _ONES) >> np.uint64(56)) - 1
        at += 8


@kernel
def _digits(data: NDArray[np.uint8], at: int, mantissa: np.uint64, count: int) -> Any:
    """Append digits to a mantissa of `count` significant ones, 19 at most; tells (mantissa, count, after, dropped digits)."""
    dropped = 0
    while True:
        if count <= 11:
            word = load8(data, at)
            if (word & _HALF) == _ZEROS and ((word + _SIXES) & _HALF) == _ZEROS:
                word -= _ZEROS
                word = word * np.uint64(10) + (word >> np.uint64(8))
                low = (word & _PAIR) * np.uint64(0x000F424000000064)
                eight = (low + ((word >> np.uint64(16)) & _PAIR) * np.uint64(0x0000271000000001)) >> np.uint64(32)
                eight &= np.uint64(0xFFFFFFFF)
                if mantissa != 0 or eight != 0:
                    count += 8
                mantissa = mantissa * np.uint64(100_000_000) + eight
                at += 8
                continue
        digit = int(data[at]) - 48
        if digit < 0 or digit > 9:
            return mantissa, count, at, dropped
        if count < 19:
            mantissa = mantissa * np.uint64(10) + np.uint64(digit)
            if mantissa != 0:
                count += 1
        else:
            dropped += 1
        at += 1


@kernel
def _is_word(data: NDArray[np.uint8], at: int, a: int, b: int, c: int) -> bool:
    return bool((data[at] | 32) == a and (data[at + 1] | 32) == b and (data[at + 2] | 32) == c)


@kernel
def scan_number(data: NDArray[np.uint8], at: int) -> Any:
    """Read [+-]digits[.digits][e[+-]digits], nan, inf or infinity; tells (kind, negative, mantissa, power of ten, after)."""
    negative = False
    if data[at] == 45:
        negative = True
        at += 1
    elif data[at] == 43:
        at += 1
    begin = at
    mantissa, count, at, dropped = _digits(data, at, np.uint64(0), 0)
    seen = at - begin
    power = dropped
    if data[at] == 46:
        begin = at + 1
        mantissa, count, at, cut = _digits(data, begin, mantissa, count)
        seen += at - begin
        power -= at - begin - cut
        dropped += cut
    if seen == 0:
        if at == begin:
            if _is_word(data, at, 110, 97, 110):
                return NAN, negative, mantissa, 0, at + 3
            if _is_word(data, at, 105, 110, 102):
                at += 3
                if _is_word(data, at, 105, 110, 105) and (data[at + 3] | 32) == 116 and (data[at + 4] | 32) == 121:
                    at += 5
                return INFINITE, negative, mantissa, 0, at
        return NOT_A_NUMBER, negative, mantissa, 0, at
    if (data[at] | 32) == 101:
        at += 1
        down = data[at] == 45
        if down or data[at] == 43:
            at += 1
        begin = at
        exponent = 0
        while data[at] >= 48 and data[at] <= 57:
            if exponent < 100_000:
                exponent = exponent * 10 + int(data[at]) - 48
            at += 1
        if at == begin:
            return NOT_A_NUMBER, negative, mantissa, 0, at
        power += -exponent if down else exponent
    return CUT if dropped else EXACT, negative, mantissa, power, at


@kernel
def _multiply(a: np.uint64, b: np.uint64) -> Any:
    """(high, low) words of the product of two words."""
    shift = np.uint64(32)
    low_a, high_a, low_b, high_b = a & _LOW, a >> shift, b & _LOW, b >> shift
    middle = high_a * low_b + ((low_a * low_b) >> shift)
    return high_a * high_b + (middle >> shift) + ((low_a * high_b + (middle & _LOW)) >> shift), a * b


@kernel
def _nearest(mantissa: np.uint64, power: int) -> Any:
    """(whether it is sure, the nearest double): mantissa times 128 bits of 10**power. Lemire 2021, doi 10.1002/spe.2984."""
    zeros = 0
    while mantissa >> np.uint64(56) == 0:
        mantissa <<= np.uint64(8)
        zeros += 8
    while mantissa >> np.uint64(63) == 0:
        mantissa <<= np.uint64(1)
        zeros += 1
    high, low = _multiply(mantissa, _LEADING[power + FAR, 0])
    if high & _BELOW == _BELOW and low + mantissa < mantissa:
        more, least = _multiply(mantissa, _LEADING[power + FAR, 1])
        merged = low + more
        if merged < low:
            high += np.uint64(1)
        if high & _BELOW == _BELOW and merged + np.uint64(1) == 0 and least + mantissa < mantissa:
            return False, 0.0
        low = merged
    top = high >> np.uint64(63)
    digits = high >> (top + np.uint64(9))
    if low == 0 and high & _BELOW == 0 and digits & np.uint64(3) == 1:
        return False, 0.0
    digits = (digits + (digits & np.uint64(1))) >> np.uint64(1)
    return True, np.ldexp(np.float64(digits), ((217_706 * power) >> 16) + 11 - zeros + int(top))  # infinite beyond the largest


@kernel
def exact_float(negative: bool, mantissa: np.uint64, power: int) -> Any:
    """(whether it is sure, mantissa * 10**power rounded once, as `float()` does)."""
    if mantissa == 0:
        return True, -0.0 if negative else 0.0
    sure = True
    if mantissa <= np.uint64(9_007_199_254_740_992) and -22 <= power <= 22:
        value = np.float64(mantissa)
        value = value * POWERS[power] if power >= 0 else value / POWERS[-power]
    elif -FAR <= power <= FAR:
        sure, value = _nearest(mantissa, power)
    else:
        return False, 0.0
    return sure, -value if negative else value


@kernel
def milliseconds(negative: bool, mantissa: np.uint64, power: int) -> Any:
    """(whether it fits, seconds as Unix ms, rounded half up) of mantissa * 10**power seconds."""
    power += 3
    if mantissa == 0:
        return True, 0
    if power > 19 or power < -19:
        return power < 0, 0
    if power >= 0:
        if mantissa > _MOST[power]:
            return False, 0
        whole = mantissa * WHOLE_POWERS[power]
    else:
        unit = WHOLE_POWERS[-power]
        whole = mantissa // unit
        if mantissa % unit >= unit // np.uint64(2):
            whole += np.uint64(1)
        if whole > np.uint64(MAX_TIME_MS):
            return False, 0
    ms = -np.int64(whole) if negative else np.int64(whole)
    return ms >= MIN_TIME_MS, ms
