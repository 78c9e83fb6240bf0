"""Stage 5: what the statements of this record add to the facts (annex 3.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.conduct import VERDICTS
from protocol.fold.evidence import evidence
from protocol.fold.standing import open_to_verdicts
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
    """A verifier's newest revision counts; two texts of one revision convict it."""
    header = leaf.header
    assert header is not None  # noqa: S101 - accepted leaves have headers
    stated = header.assessment
    if not open_to_verdicts(work, stated.lab, header.period):
        return
    place = key(stated.lab, header.period, header.author)
    before = verdicts[place].revision if place in verdicts else 0
    if before == stated.revision:
        parties[header.author] = replace(parties[header.author], convicted=True)
    if before < stated.revision:
        verdict = VERDICTS[stated.verdict - 1]
        verdicts[place] = VerdictState(verdict=verdict, revision=stated.revision, identity=leaf.identity)
