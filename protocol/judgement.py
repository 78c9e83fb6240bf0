"""What the terms have to say of a statement, judged where it is counted (annex 3.2, stage 3, and 3.5, 4).

A statement is judged under the terms in force at the closing that covers it, not under those that its reader knew when
it read it: two readers, one of them late, then refuse the same. Form, chain and signatures do not depend on terms and
are checked on reading (:mod:`protocol.leaf`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import Reason, Refused
from protocol.leaf import READ_AT_ONCE, ReadLeaf
from protocol.statements import KINDS
from protocol.statements import inquiry as inquiries
from protocol.statements.assessment import summary
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from protocol.agreement import Agreement


def under_terms(leaf: ReadLeaf, terms: Agreement) -> Refused | None:
    """The first rule of a statement in good form that the terms make.

    Args:
        leaf: read, with whatever of its body this reader holds.
        terms: in force at the closing that covers it.
    """
    return judged(leaf, terms).refusal


def judged(leaf: ReadLeaf, terms: Agreement) -> ReadLeaf:
    """A leaf as the terms let it count: without the header or the body that they refuse (see :func:`under_terms`)."""
    header, body = leaf.header, leaf.body
    # A refusal of a body leaves the header to be judged: every party counts it alike (annex 7, 2).
    if header is None or not leaf.counts:
        return leaf
    try:
        _header_under_terms(header, terms)
    except Refused as refusal:
        return leaf._replace(header=None, body=None, refusal=refusal)
    if body is None or header.kind in READ_AT_ONCE:
        return leaf
    try:
        KINDS[header.kind].validate(body, header, terms)
    except Refused as refusal:
        return leaf._replace(body=None, refusal=refusal)
    return leaf


def _header_under_terms(header: header_pb2.Header, terms: Agreement) -> None:
    """Rules of the header that the terms make, in the order of its fields."""
    rule = KINDS[header.kind]
    if header.author not in terms.parties:
        raise Refused(Reason.NO_AUTHORITY, "header.author", f"{header.author} is no party")
    if rule.site:
        _site(terms, header)
    if header.kind == header_pb2.KIND_ASSESSMENT:
        summary(header, terms)
    if header.kind in inquiries.ASKING:
        inquiries.summary(header, terms)
    if rule.roles and rule.roles.isdisjoint(terms.parties[header.author].roles):
        raise Refused(Reason.NO_AUTHORITY, "header.author", f"{header.author} has no role that says this")


def _site(terms: Agreement, header: header_pb2.Header) -> None:
    """A site is one that the terms list; a lab speaks of its own."""
    if header.site not in terms.sites:
        raise Refused(Reason.SITE_UNKNOWN, "header.site", header.site.hex())
    lab, _ = terms.sites[header.site]
    if header.kind == header_pb2.KIND_COMPUTE_ATTESTATION and lab != header.author:
        raise Refused(Reason.SITE_UNKNOWN, "header.site", f"a site of {lab}")
