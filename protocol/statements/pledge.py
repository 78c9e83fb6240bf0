"""Pledge: on what terms a lab is bound (design section 5, annex 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import condition_rules, not_evaluated
from protocol.errors import Reason, Refused, require

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1 import pledge_pb2 as pb
    from standstill.v1.header_pb2 import Header

_OUTSIDE: Final = frozenset({"reading", "level_phase", "constant"})


def pledge(body: pb.Pledge, header: Header, agreement: Agreement) -> None:
    """One clause per level; `when` reads outside facts, `provided` only what others keep, monotonely."""
    del header
    ranks = [clause.level for clause in body.clauses]
    require(len(set(ranks)) == len(ranks), Reason.ROW_TWICE, "pledge.clauses.level", "one clause per level")
    for problem in not_evaluated.problems(body, "pledge"):
        raise problem
    for number, clause in enumerate(body.clauses):
        where = f"pledge.clauses[{number}]"
        require(clause.level in agreement.levels, Reason.NAME_UNKNOWN, f"{where}.level", str(clause.level))
        if clause.HasField("when"):
            for problem in condition_rules.problems(agreement.terms, clause.when, f"{where}.when"):
                raise problem
            for atom in condition_rules.atoms(clause.when):
                test = str(atom.WhichOneof("test"))
                if test not in _OUTSIDE:
                    raise Refused(Reason.CONDITION_MALFORMED, f"{where}.when", f"{test}: reads outside facts only")
        if clause.HasField("provided"):
            for problem in condition_rules.problems_of_provided(agreement.terms, clause.provided, f"{where}.provided"):
                raise problem
