"""Pledge: on what terms a lab is bound (design section 5, annex 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import condition_rules
from protocol.agreement_limits import NAME
from protocol.errors import Reason, require
from protocol.pledge_compiler import names_in
from standstill.v1 import agreement_pb2

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1 import pledge_pb2 as pb
    from standstill.v1.header_pb2 import Header

MAX_DORMANT: Final = 256
"""Most names in one pledge of labs that are no party yet: as many as an agreement may have parties."""


def pledge(body: pb.Pledge, header: Header, agreement: Agreement) -> None:
    """One clause per level; `when` reads outside facts, `provided` only what others keep, monotonely."""
    del header
    ranks = [clause.level for clause in body.clauses]
    require(len(set(ranks)) == len(ranks), Reason.ROW_TWICE, "pledge.clauses.level", "one clause per level")
    terms = _with_dormant(body, agreement)
    for number, clause in enumerate(body.clauses):
        where = f"pledge.clauses[{number}]"
        require(clause.level in agreement.levels, Reason.NAME_UNKNOWN, f"{where}.level", str(clause.level))
        if clause.HasField("when"):
            for problem in condition_rules.problems_of_when(agreement.terms, clause.when, f"{where}.when"):
                raise problem
        if clause.HasField("provided"):
            for problem in condition_rules.problems_of_provided(terms, clause.provided, f"{where}.provided"):
                raise problem


def _with_dormant(body: pb.Pledge, agreement: Agreement) -> agreement_pb2.Agreement:
    """The terms, with every lab that a clause waits for and that is no party yet as a control group of its own.

    Until it accedes, a clause on what it keeps is unmet (annex 4.1, 4).
    """
    named = {name for clause in body.clauses for name in names_in(clause.provided)}
    dormant = sorted(named - agreement.parties.keys())
    if not dormant:
        return agreement.terms
    where = "pledge.clauses.provided"
    require(len(dormant) <= MAX_DORMANT, Reason.LIMIT_REACHED, where, f"{len(dormant)} labs that are no party")
    terms = agreement_pb2.Agreement()
    terms.CopyFrom(agreement.terms)
    for name in dormant:
        require(bool(NAME.fullmatch(name)), Reason.NAME_MALFORMED, where, repr(name))
        terms.parties.add(name=name, owner=f"|{name}", roles=[agreement_pb2.ROLE_LAB])
    return terms
