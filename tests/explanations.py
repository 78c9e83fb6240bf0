"""Every change says why, down to what was signed (design section 5).

`require_grounded` is asked of every closing that a test plays (:class:`tests.builders.World`), so no scene can change a
level without a reason that ends in statements, in clocks, or in what earlier closings decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from protocol.truth import Explained, Ref, Truth

Found = Callable[[Ref], bool]

_CLOCKS: Final = r"by the clock$|, so far \d+$|^until P\d+|: (stale|presumed non-compliant|late|fresh)$|by silence$"
_CLOSINGS: Final = (
    r"is PHASE_\w+, found PHASE_\w+$|bound by level \d+$|: (in|notice|out|forming|relied|accused)$"
    r"|^armed: |is relied on again$|^a brake for "
)
_TERMS: Final = r"^(always|no entry rule)$"
# The ballots that are counted stand beside the count.
_COUNTS: Final = r"says? yes, \d+ needed$"
ENDS: Final = re.compile(f"{_CLOCKS}|{_CLOSINGS}|{_TERMS}|{_COUNTS}")
"""Where an explanation may end without a statement: in a clock, in what a closing before left, in the terms."""


def ungrounded(why: Explained) -> Iterator[Explained]:
    """Parts that claim something is so, and end in nothing.

    What is not so needs no statement: nobody said it. What is unknown says what is missing.
    """
    for part in why.because:
        yield from ungrounded(part)
    if why.because or why.evidence:
        return
    if why.value is Truth.TRUE and not why.assumed and not ENDS.search(why.text):
        yield why
    if why.value is Truth.UNKNOWN and not why.missing:
        yield why


def refs(why: Explained) -> Iterator[Ref]:
    """The statements that an explanation ends in."""
    yield from why.evidence
    for part in why.because:
        yield from refs(part)


def require_grounded(why: Explained, found: Found) -> None:
    """Fail unless an explanation of a change is true, ends everywhere in something, and cites what was said.

    Args:
        why: of a transition.
        found: whether a statement stands in its log where a reference says.
    """
    tree = "\n".join(why.lines())
    assert why.value is Truth.TRUE, tree
    assert not list(ungrounded(why)), tree
    assert all(found(ref) for ref in refs(why)), tree
