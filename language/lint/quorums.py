"""Quorums that cannot be met, that one absence stops or that one liar or a minority carries (transparency (c) 5)."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from language.lint.finding import Finding, error, note, warning
from language.lint.view import named
from language.lint.votes import MOST, Poll
from protocol.agreement_limits import quorum
from protocol.truth import counted
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from language.lint.view import View

_RECUSING = ("called_by", "ratified_by", "renewed_by", "lifted_by", "standing.hold_rule", "standing.release_rule")
"""Uses of rules in which a lab that the motion is about may have no vote, with levels or with one lab."""
_RELAXING = ("lifted_by", "exempted_by", "amended_by", "standing.hold_rule", "standing.release_rule")


def split(view: View) -> Iterator[Finding]:
    """`split-quorum`: two quorums that can agree on different records if few verifiers lie.

    Two quorums of q out of n share 2q - n operators; they contradict each other only if all of those lie.
    """
    operators, needed, lying = _verifiers(view)
    survived = 2 * needed - operators - 1
    if not operators or survived >= max(1, lying):
        return
    make = error if survived < lying else warning
    if operators == 1:
        text = "one verifier alone is believed: if it lies, nobody contradicts it"
    else:
        text = f"{needed} of {operators} verifiers agree: {survived + 1 or 'no'} liar splits the record"
    remedy = "write dishonest_verifiers = 1" if operators > 3 else "four independent verifiers are the least"
    yield make("split-quorum", "lying_verifiers", text, remedy)


def absence(view: View) -> Iterator[Finding]:
    """`absence-quorum`: every verifier, or a voter, must be there for anything to happen."""
    operators, needed, _ = _verifiers(view)
    if operators > 1 and operators == needed:
        text = f"all {operators} verifiers must be up: one that is silent stops every closing"
        yield warning("absence-quorum", "lying_verifiers", text, "add a verifier")
    for rule in view.terms.rules:
        poll = Poll(view, rule)
        if not poll.carried_by(poll.groups):
            continue
        blocking = sorted(group for group in poll.groups if not poll.carried_by(poll.groups - {group}))
        if blocking:
            text = f"nothing is carried without {named(blocking)}: the absence of one is a veto"
            yield note("absence-quorum", _path(rule), text)


def _verifiers(view: View) -> tuple[int, int, int]:
    operators = len(view.groups(view.with_role(pb.ROLE_VERIFIER)))
    return operators, quorum(view.terms), view.terms.lying_verifiers


def related(view: View) -> Iterator[Finding]:
    """`operators-related`: verifiers of one control group count once; a lab's verifier checks its owner."""
    verifiers = view.with_role(pb.ROLE_VERIFIER)
    for owner in sorted(view.groups(verifiers)):
        alike = sorted(name for name in verifiers if view.owner[name] == owner)
        labs = sorted(name for name in view.labs if view.owner[name] == owner)
        if len(alike) > 1:
            text = f"verifiers {named(alike)} have one owner and count once"
            yield warning("operators-related", f"parties.{alike[-1]}.owner", text)
        if labs:
            text = f"verifier {alike[0]} belongs to {owner}, as {named(labs)} does"
            yield warning("operators-related", f"parties.{alike[0]}.owner", text)


def met(view: View) -> Iterator[Finding]:
    """`quorum-cannot-be-met`: a rule that fails although all say yes, or once the lab it is about has no vote."""
    for rule in view.terms.rules:
        poll = Poll(view, rule)
        if not poll.carried_by(poll.groups):
            groups = counted(len(poll.groups), "control group")
            text = f"not carried even if all say yes: {groups}, and voters of one owner count once"
            yield error("quorum-cannot-be-met", _path(rule), text, "ask for fewer, or add voters")
        elif rule.recuse_subject:
            for group in sorted(poll.groups & view.lab_groups):
                if not poll.carried_by(poll.groups - {group}):
                    text = f"not carried if all others say yes and the motion is about {group}, which then has no vote"
                    yield error("quorum-cannot-be-met", _path(rule), text, "ask for one yes less")


def recusal(view: View) -> Iterator[Finding]:
    """`recusal-lock`: nothing is carried once several labs, or the lab that is held, have no vote (annex 4.4)."""
    for name, path, level in view.rule_uses():
        rule = view.rules.get(name)
        if rule is None or not path.endswith(_RECUSING):
            continue
        poll = Poll(view, rule)
        if not poll.carried_by(poll.groups):
            continue
        labs = sorted(poll.groups & view.lab_groups)
        # That one lab stops a rule which recuses it is told at the rule, as an error.
        if level is None and not rule.recuse_subject:
            without = _stopping(poll, labs, (1,))
            text = f"{rule.name} is not carried when it is about {named(without)}, which never votes on itself"
        elif level is not None and rule.recuse_subject:
            without = _stopping(poll, labs, range(2, len(labs) + 1))
            text = (
                f"{rule.name} is not carried once {named(without)} meet the trigger or are accused: they have no vote"
            )
        else:
            continue
        if without:
            # Nobody can lift: that errs on the side of the restriction, which its sunset ends.
            make = note if path.endswith(".lifted_by") else warning
            yield make("recusal-lock", path, text, "let voters that are no labs suffice", also=(_path(rule),))


def _stopping(poll: Poll, labs: Sequence[str], sizes: Iterable[int]) -> tuple[str, ...]:
    """The fewest labs, in one of these numbers, without whose votes a rule is not carried; of several the first."""
    # Fewer votes never carry more: where the others suffice, no labs stop it.
    if 1 << len(labs) > MOST or poll.carried_by(poll.groups - set(labs)):
        return ()
    each = (without for size in sizes for without in combinations(labs, size))
    return next((without for without in each if not poll.carried_by(poll.groups - set(without))), ())


def minority(view: View) -> Iterator[Finding]:
    """`minority-relaxes`: less than a majority can lift, exempt, amend or keep relying on the accused."""
    for name, path, _ in view.rule_uses():
        rule = view.rules.get(name)
        if rule is None or not path.endswith(_RELAXING):
            continue
        poll = Poll(view, rule)
        least = poll.least()
        if least is not None and 2 * least <= len(poll.groups):
            text = f"{rule.name} takes {least} of {len(poll.groups)} control groups: a minority can relax the terms"
            yield warning("minority-relaxes", path, text, also=(_path(rule),))


def alone(view: View) -> Iterator[Finding]:
    """`one-decides`: a rule that one control group carries by itself, though others have a vote."""
    for rule in view.terms.rules:
        poll = Poll(view, rule)
        deciding = [group for group in sorted(poll.groups) if poll.carried_by(frozenset({group}))]
        if deciding and len(poll.groups) > 1:
            yield warning("one-decides", _path(rule), f"{named(deciding)} can each carry this alone")


def lift_easier(view: View) -> Iterator[Finding]:
    """`lift-easier-than-call`: voters that can lift a level could not have called it, and not the other way round."""
    for level in view.terms.levels:
        call, lift = view.rules.get(level.called_by), view.rules.get(level.lifted_by)
        if call is None or lift is None or call.name == lift.name:
            continue
        poll = Poll(view, call, lift)
        outcomes = {(poll.carried(votes, 0), poll.carried(votes, 1)) for votes in poll.votes() or ()}
        if (False, True) in outcomes and (True, False) not in outcomes:
            text = f"{lift.name} takes less than {call.name}, by which the level is called"
            yield note("lift-easier-than-call", f"levels.{level.name}.lifted_by", text)


def _path(rule: pb.Rule) -> str:
    return f"rules.{rule.name}.need" if rule.HasField("need") else f"rules.{rule.name}.yes"
