"""The neuron in pseudo-microcode: the published Loihi 2 instructions, emulated and counted.

This emulates what is published, without a chip or Intel's tools. It states what an instruction must
do, not what the chip does. microcode_figures.py prints the resulting figures for docs/loihi2.md.

It avoids everything that is not published: a word is signed and has 24 bits, no result may wrap or
saturate (OverflowError instead), shifts are constants of the microcode, and MUL_SHR shifts the
whole product right (floor). A shift to the right is a MUL_SHR by 1. Copies are not counted.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Flag = npt.NDArray[np.bool_]
Value = Int64 | int

WORD = 24  # bits of a word, signed
UNIT = 22  # a probability, rate or fraction of the 24-bit variant is in units of 2**-22
LIMB = 16  # a 32-bit number is two words of 16 bits
DEGREE = 5  # of the polynomial for 2**-x, 0 <= x < 1
LOG2E = round(np.log2(np.e) * (1 << UNIT))
MAX_OCTAVES = 16  # the exponential underflows beyond


@dataclass
class Machine:
    """Executes instructions on arrays of words (one entry per neuron) and counts them."""

    counts: Counter[str] = field(default_factory=Counter)

    def _word(self, name: str, value: Value) -> Int64:
        word = np.asarray(value, dtype=np.int64)
        if np.any(word < -(1 << (WORD - 1))) or np.any(word >= 1 << (WORD - 1)):
            raise OverflowError(f"{name}: {int(np.abs(word).max())} does not fit {WORD} bits")
        self.counts[name] += 1
        return word

    def add(self, a: Value, b: Value) -> Int64:
        """a + b."""
        return self._word("ADD", np.add(a, b))

    def neg(self, a: Value) -> Int64:
        """-a."""
        return self._word("NEG", np.negative(a))

    def min(self, a: Value, b: Value) -> Int64:
        """The smaller of a and b."""
        return self._word("MIN", np.minimum(a, b))

    def mul_shr(self, a: Value, b: Value, shift: int) -> Int64:
        """(a b) >> shift, floor."""
        return self._word("MUL_SHR", np.right_shift(np.multiply(a, b, dtype=np.int64), shift))

    def shl(self, a: Value, shift: int) -> Int64:
        """a << shift."""
        return self._word("SHL", np.left_shift(a, shift))

    def and_(self, a: Value, b: Value) -> Int64:
        """Bitwise and."""
        return self._word("AND", np.bitwise_and(a, b))

    def or_(self, a: Value, b: Value) -> Int64:
        """Bitwise or."""
        return self._word("OR", np.bitwise_or(a, b))

    def sel(self, flag: Flag, a: Value, b: Value) -> Int64:
        """a where the flag is set, else b."""
        return self._word("SEL", np.where(flag, a, b))

    def lt(self, a: Value, b: Value) -> Flag:
        """Set the flag where a < b."""
        self.counts["LT"] += 1
        return np.less(a, b)

    def eq(self, a: Value, b: Value) -> Flag:
        """Set the flag where a = b."""
        self.counts["EQ"] += 1
        return np.equal(a, b)

    def jump(self, flag: Flag) -> bool:
        """Conditional jump: taken here when every entry's flag is set."""
        self.counts["JMP_C"] += 1
        return bool(np.all(flag))

    def shr(self, a: Value, shift: int) -> Int64:
        """Shift right: a MUL_SHR by 1."""
        return self.mul_shr(a, 1, shift)

    def sub(self, a: Value, b: Value) -> Int64:
        """a - b: NEG and ADD."""
        return self.add(a, self.neg(b))

    def max(self, a: Value, b: Value) -> Int64:
        """The greater of a and b: LT and SEL."""
        return self.sel(self.lt(a, b), b, a)


def scale(m: Machine, total: Int64, multiplier: Int64, shift: int) -> Int64:
    """(total multiplier + 2^(shift-1)) >> shift, exact: the half is added after shift - 1 places.

    All neurons share `shift`. A neuron whose own shift is n less has its multiplier doubled n
    times.
    """
    return m.shr(m.add(m.mul_shr(total, multiplier, shift - 1), 1), 1)


def integrate(
    m: Machine,
    v: Int64,
    received: Int64,
    z: Int64,
    own: Int64,
    cap: Int64,
    extra_bits: int,
    update: tuple[int, int],
    state: tuple[int, int],
    loop: tuple[Int64, Int64] | None = None,
) -> Int64:
    """Step 3 of docs/ir.md, exact. No intermediate value leaves the range of the two clamps.

    received: I + lateral(z); own: self-inhibition. cap = ceil(width of the clamps / own) is
    precomputed: spikes beyond it inhibit no further. loop: the loop's inhibition and its cap, in a
    two-layer circuit.
    """
    least, most = update[0] << extra_bits, update[1] << extra_bits
    headroom = m.add(m.max(m.min(received, most), least), -least)
    if loop is not None:
        lowered = m.neg(m.mul_shr(loop[0], m.min(z, loop[1]), 0))
        headroom = m.min(headroom, m.add(lowered, most - least))
    headroom = m.max(m.sub(headroom, m.mul_shr(own, m.min(z, cap), 0)), 0)
    d = m.add(headroom, least)
    if extra_bits:
        d = m.shr(m.add(d, 1 << (extra_bits - 1)), extra_bits)
    return m.max(m.min(m.add(v, d), state[1]), state[0])


def residual(m: Machine, pixel: Int64, predicted: Int64, limit: int) -> Int64:
    """clip(q - prediction, -limit, limit) of a two-layer circuit's residual neuron."""
    return m.max(m.min(m.sub(pixel, predicted), limit), -limit)


def coefficients() -> list[int]:
    """Return the polynomial of 2**-x on [0, 1], highest degree first, in units of 2**-UNIT."""
    nodes = np.polynomial.chebyshev.Chebyshev.interpolate(
        lambda x: np.exp2(-x), DEGREE, domain=[0, 1]
    )
    series = nodes.convert(kind=np.polynomial.Polynomial).coef
    return [round(c * (1 << UNIT)) for c in series[::-1]]


def exp2_negative(m: Machine, exponent: Int64, bits: int) -> Int64:
    """2^-(exponent / 2^bits) in units of 2^-UNIT: a polynomial, then halvings by the octaves."""
    octaves = m.shr(exponent, bits)
    fraction = m.shl(m.and_(exponent, (1 << bits) - 1), UNIT - bits)
    first, *rest = coefficients()
    power: Int64 = np.full_like(exponent, first)
    for coefficient in rest:
        power = m.add(m.mul_shr(power, fraction, UNIT), coefficient)
    step = 1
    while step < MAX_OCTAVES:  # the shift is data: a chain of constant ones
        bit = m.eq(m.and_(octaves, step), 0)
        power = m.sel(bit, power, m.shr(power, step))
        step *= 2
    return power


def part_rate(m: Machine, v: Int64, fraction_bits: int, split: int) -> tuple[Int64, Int64]:
    """Return a part's rate, in units of 2^(split - UNIT), and the log2 of the number of parts."""
    limit = split << fraction_bits
    halvings = m.max(m.shr(m.add(v, (1 << fraction_bits) - 1 - limit), fraction_bits), 0)
    exponent = m.sub(m.add(m.shl(halvings, fraction_bits), limit), v)
    return exp2_negative(m, exponent, fraction_bits), halvings


def part_probability(m: Machine, rate: Int64, split: int) -> Int64:
    """P(0) of a part, e^-rate, in units of 2^-UNIT."""
    return exp2_negative(m, m.mul_shr(rate, LOG2E, UNIT), UNIT - split)


def next_probability(m: Machine, probability: Int64, rate: Int64, k: int, split: int) -> Int64:
    """P(k) from P(k - 1): times the rate, times the constant 1 / k; the loop is unrolled."""
    scaled = m.mul_shr(probability, rate, UNIT - split)
    return scaled if k == 1 else m.mul_shr(scaled, round((1 << UNIT) / k), UNIT)


def part_count(m: Machine, rate: Int64, uniform: Int64, split: int, most: int) -> Int64:
    """The inversion of docs/ir.md in 24-bit words; an unrolled loop of at most `most` counts."""
    probability = cumulative = part_probability(m, rate, split)
    count = np.zeros_like(rate)
    for k in range(1, most + 1):
        found = m.lt(uniform, cumulative)
        if m.jump(found):
            break
        probability = next_probability(m, probability, rate, k, split)
        spent = m.eq(probability, 0)
        if m.jump(spent):
            break
        count = np.where(found | spent, count, k)  # on a chip, k is the place in the loop
        cumulative = m.add(cumulative, probability)
    return count


def xor(m: Machine, a: Int64, b: Int64) -> Int64:
    """a ^ b = (a | b) - (a & b)."""
    return m.sub(m.or_(a, b), m.and_(a, b))


Limbs = tuple[Int64, Int64]  # low and high 16 bits


def limbs(value: Value) -> Limbs:
    """Split a 32-bit number (when the constant is written, not by the microcode)."""
    wide = np.asarray(value, dtype=np.int64)
    return wide & ((1 << LIMB) - 1), wide >> LIMB


def add32(m: Machine, a: Limbs, b: Limbs) -> Limbs:
    """(a + b) mod 2^32."""
    mask = (1 << LIMB) - 1
    low = m.add(a[0], b[0])
    high = m.add(m.add(a[1], b[1]), m.shr(low, LIMB))
    return m.and_(low, mask), m.and_(high, mask)


def rotate32(m: Machine, a: Limbs, turn: int) -> Limbs:
    """Rotate left; a rotation by 16 exchanges the limbs and costs nothing."""
    if turn >= LIMB:
        a, turn = (a[1], a[0]), turn - LIMB
    if turn == 0:
        return a
    keep = (1 << (LIMB - turn)) - 1

    def half(mine: Int64, other: Int64) -> Int64:
        return m.or_(m.shl(m.and_(mine, keep), turn), m.shr(other, LIMB - turn))

    return half(a[0], a[1]), half(a[1], a[0])


def threefry(m: Machine, key: tuple[int, int], first: Int64, second: Int64) -> tuple[Limbs, Limbs]:
    """Threefry-2x32 with 20 rounds: one block, two 32-bit words."""
    keys = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    a, b = add32(m, limbs(first), limbs(keys[0])), add32(m, limbs(second), limbs(keys[1]))
    for group in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            a = add32(m, a, b)
            b = rotate32(m, b, turn)
            b = (xor(m, b[0], a[0]), xor(m, b[1], a[1]))
        a = add32(m, a, limbs(keys[(group + 1) % 3]))
        word = (keys[(group + 2) % 3] + group + 1) & 0xFFFFFFFF  # a constant of the image
        b = add32(m, b, limbs(word))
    return a, b
