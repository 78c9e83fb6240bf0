"""How many items to look at, and which: plans from a detection goal, draws that nobody can steer (research D13, D14).

Of `items`, a lab that diverts the significant quantity must spoil at least `spoiled`. A plan is the smallest sample
that shows one of them with the agreed chance, exactly: the number of spoiled items in a sample is hypergeometric, and
each is noticed with a stated chance. Which items are drawn follows from a seed that did not exist when the lab
committed to its items, in a way that everybody can repeat.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, require
from protocol.statistics import PPM

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ITEMS: Final = 1 << 48
_DIGITS: Final = 50
_WORD_BYTES: Final = 8
_WORDS: Final = 1 << (8 * _WORD_BYTES)
_NOTHING: Final = Decimal(10) ** -30
"""Terms below it are left out: it is far below one part per million."""


def spoiled_items(significant: int, most_of_one: int) -> int:
    """Fewest items that a significant quantity spoils: r = ceil(SQ / most that one item can hide).

    Args:
        significant: the significant quantity, in any unit.
        most_of_one: in the same unit, above 0.
    """
    return -(-significant // most_of_one)


def missed_ppm(items: int, spoiled: int, drawn: int, notice_ppm: int) -> int:
    """Chance that a sample shows nothing although so many items are spoiled, parts per million, rounded up.

    P = sum over k of C(spoiled, k) C(items - spoiled, drawn - k) / C(items, drawn) x (1 - notice)^k

    Args:
        items: all of them.
        spoiled: of these.
        drawn: looked at, without putting back.
        notice_ppm: chance that a spoiled item that is looked at is noticed.

    Raises:
        Refused: VALUE_OUT_OF_RANGE.
    """
    require(0 <= items <= MAX_ITEMS, Reason.VALUE_OUT_OF_RANGE, "items", str(items))
    require(0 <= spoiled <= items, Reason.VALUE_OUT_OF_RANGE, "spoiled", f"{spoiled} of {items}")
    require(0 <= drawn <= items, Reason.VALUE_OUT_OF_RANGE, "drawn", f"{drawn} of {items}")
    require(0 <= notice_ppm <= PPM, Reason.VALUE_OUT_OF_RANGE, "notice_ppm", str(notice_ppm))
    with localcontext(prec=_DIGITS):
        overlooked = 1 - Decimal(notice_ppm) / PPM
        total = Decimal(0)
        for hits, chance in _hits(items, spoiled, drawn):
            # Nothing to overlook is overlooked for sure, also where everything is noticed.
            total += chance * overlooked**hits if hits else chance
        return int((total * PPM).to_integral_value("ROUND_CEILING"))


def _hits(items: int, spoiled: int, drawn: int) -> Iterator[tuple[int, Decimal]]:
    """Chances of so many spoiled items in the sample, from the fewest possible on, while they count."""
    fewest, most = max(0, drawn + spoiled - items), min(spoiled, drawn)
    chance = _chance(items, spoiled, drawn, fewest)
    rising = True
    for k in range(fewest, most + 1):
        yield k, chance
        factor = Decimal((spoiled - k) * (drawn - k)) / ((k + 1) * (items - spoiled - drawn + k + 1))
        rising = rising and factor > 1
        chance *= factor
        if not rising and chance < _NOTHING:
            return


def _chance(items: int, spoiled: int, drawn: int, fewest: int) -> Decimal:
    """Chance of the fewest possible hits: a product over the smaller of sample and spoiled items."""
    if fewest:
        # All sound items are in the sample: C(spoiled, fewest) / C(items, drawn), and drawn = items - sound left out.
        left = items - drawn
        return _product(spoiled - step for step in range(left)) / _product(items - step for step in range(left))
    short, wide = sorted((spoiled, drawn))
    tops = (items - wide - step for step in range(short))
    return _product(tops) / _product(items - step for step in range(short))


def _product(factors: Iterator[int]) -> Decimal:
    total = Decimal(1)
    for factor in factors:
        total *= factor
    return total


def least_sample(items: int, spoiled: int, detection_ppm: int, notice_ppm: int) -> int | None:
    """Smallest sample that shows a spoiled item with the agreed chance; None where not even looking at all does.

    Args:
        items: all of them.
        spoiled: fewest that matter.
        detection_ppm: least chance of showing one.
        notice_ppm: chance that a spoiled item that is looked at is noticed.

    Raises:
        Refused: VALUE_OUT_OF_RANGE.
    """
    allowed = PPM - detection_ppm
    if missed_ppm(items, spoiled, items, notice_ppm) > allowed:
        return None
    low, high = 0, items
    while low < high:
        middle = (low + high) // 2
        if missed_ppm(items, spoiled, middle, notice_ppm) > allowed:
            low = middle + 1
        else:
            high = middle
    return low


def draw(seed: bytes, items: int, drawn: int) -> list[int]:
    """Numbers of the items to look at, ascending: each sample of that size is as likely as any other.

    Floyd's algorithm (Bentley and Floyd 1987) on words of SHA-256(seed || counter), with rejection so that no number is
    favoured.

    Args:
        seed: 32 bytes that were unknown when the items were committed to.
        items: all of them, numbered from 0.
        drawn: how many.

    Raises:
        Refused: DIGEST_LENGTH, VALUE_OUT_OF_RANGE.
    """
    require(len(seed) == sha256().digest_size, Reason.DIGEST_LENGTH, "seed", f"{len(seed)} bytes")
    require(0 <= items <= MAX_ITEMS, Reason.VALUE_OUT_OF_RANGE, "items", str(items))
    require(0 <= drawn <= items, Reason.VALUE_OUT_OF_RANGE, "drawn", f"{drawn} of {items}")
    words = _words(seed)
    found: set[int] = set()
    for last in range(items - drawn, items):
        number = _below(words, last + 1)
        found.add(last if number in found else number)
    return sorted(found)


def _words(seed: bytes) -> Iterator[int]:
    counter = 0
    while True:
        block = sha256(seed + counter.to_bytes(_WORD_BYTES, "big")).digest()
        for start in range(0, len(block), _WORD_BYTES):
            yield int.from_bytes(block[start : start + _WORD_BYTES], "big")
        counter += 1


def _below(words: Iterator[int], limit: int) -> int:
    """A number below a limit, each as likely as any other."""
    fair = _WORDS - _WORDS % limit
    return next(word for word in words if word < fair) % limit
