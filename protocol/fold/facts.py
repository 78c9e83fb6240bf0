"""Stage 5: what the statements of this record add to the facts (annex 3.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.conduct import VERDICTS
from protocol.fold.evidence import evidence
from protocol.state import VerdictState, key
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf
    from protocol.state import PartyState


def facts(work: Work) -> None:
    """5: evidence headers, indicator reports and verdicts enter their windows."""
    evidence(work)
    conduct, verdicts = dict(work.new.conduct), dict(work.new.verdicts)
    for leaf in work.of_kind(pb.KIND_COMPUTE_ATTESTATION):
        header = leaf.header
        assert header is not None  # noqa: S101 - accepted leaves have headers
        lab, site = header.author, header.site.hex()
        newest = max(conduct[lab].attested.get(site, 0), header.period)
        conduct[lab] = replace(conduct[lab], attested={**conduct[lab].attested, site: newest})
    parties = dict(work.new.parties)
    for leaf in work.of_kind(pb.KIND_ASSESSMENT):
        _count_verdict(work, leaf, verdicts, parties)
    work.new = replace(work.new, conduct=conduct, verdicts=verdicts, parties=parties)


def _count_verdict(
    work: Work, leaf: ReadLeaf, verdicts: dict[str, VerdictState], parties: dict[str, PartyState]
) -> None:
    """A verifier's newest revision counts while the period is not settled; two texts of one revision convict it."""
    header = leaf.header
    assert header is not None  # noqa: S101 - accepted leaves have headers
    stated, old = header.assessment, work.old
    # This closing is the last whose assessments of the periods that it settles count (annex 2, 4).
    settled = old.period is not None and header.period <= old.period - work.agreement.terms.standing.settle_periods
    if settled or header.period < (old.since or 0):
        return
    place = key(stated.lab, header.period, header.author)
    before = verdicts[place].revision if place in verdicts else 0
    if before == stated.revision:
        parties[header.author] = replace(parties[header.author], convicted=True)
    if before < stated.revision:
        verdicts[place] = VerdictState(verdict=VERDICTS[stated.verdict - 1], revision=stated.revision)
