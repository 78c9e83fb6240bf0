"""`standstill pledges what-if`: who would be bound after a change, and what it would rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from cli.agreement.files import FILE
from cli.audit.asking import Options, asking_options
from cli.audit.words import safe
from cli.output import Exit, answer
from cli.pledges.known import Known, known, level_option, listed, unmet_data, unmet_words
from cli.pledges.pledge_file import PledgeFile
from cli.pledges.show import tipping_data, tipping_words
from cli.tables import Look, Page
from protocol.pledge_analysis import Breaches, Change, Joins, Leaves, Round, Signs, WhatIf, what_if
from protocol.state import Membership
from protocol.tipping import Tipping, goal_of, tipping
from protocol.truth import counted
from standstill.v1 import pledge_pb2

SCHEMA: Final = "standstill/pledges.what-if/1"
VERBS: Final = ("leaves", "breaches", "signs", "joins")


@click.command()
@click.argument("text", required=False, metavar='["LAB leaves"]')
@click.option("--sign", type=FILE, help="A pledge: its text, or the draft that `node publish` takes.")
@click.option("--as", "signer", metavar="LAB", help="Who signs it, if neither TEXT nor FILE says.")
@level_option
@asking_options
def command(
    options: Options,
    text: str | None,
    sign: Path | None,
    signer: str | None,
    level: str | None,
    as_json: bool,
    **look: Any,
) -> None:
    """Show who would be bound if "LAB leaves", "LAB breaches", "LAB joins", or LAB signs the pledge in FILE.

    A lab that joins without FILE keeps every level unconditionally. Exit codes: 0 obtained, 2 usage or no admissible
    pledge, 4 verifier not reached, 5 not trusted.
    """
    written = None if sign is None else PledgeFile(sign)
    lab, verb = _said(text, signer or (written.by if written and text is None else None), signs=sign is not None)
    with known(options, level) as found:
        change = _change(found, lab, verb, written)
        result = what_if(found.problem(), change)
        tips = [(rank, _tips(found, change, rank)) for rank in found.by_pledge()]
        if as_json:
            answer(SCHEMA, "done", _data(found, result, lab, verb, tips), exit_code=Exit.DONE, as_of=found.asked.as_of)
        else:
            _show(found, change, result, tips, Page(Look(**look)))


def _said(text: str | None, signer: str | None, *, signs: bool) -> tuple[str, str]:
    """The lab and the verb that were asked for."""
    if text is None:
        if not (signs and signer):
            raise click.UsageError(
                'Say what changes: "LAB leaves", "LAB breaches", "LAB joins", or --sign FILE --as LAB'
            )
        return signer, "signs"
    lab, _, verb = text.strip().rpartition(" ")
    if verb not in VERBS or not lab:
        raise click.BadParameter(f"{text!r}: expected a lab and one of {', '.join(VERBS)}", param_hint="TEXT")
    if signer is not None:
        raise click.UsageError("--as and TEXT both name who changes; use one")
    if signs and verb not in {"signs", "joins"}:
        raise click.UsageError(f"--sign goes with signs and joins, not with {verb}")
    if verb == "signs" and not signs:
        raise click.UsageError(f'"{lab} signs" needs the pledge: --sign FILE')
    return lab.strip(), verb


def _change(found: Known, lab: str, verb: str, written: PledgeFile | None) -> Change:
    labs, parties = found.agreement.labs, found.state.parties
    here = lab in labs and parties[lab].membership in {Membership.IN, Membership.NOTICE}
    if verb != "joins" and not here:
        raise click.BadParameter(f"{lab!r} takes no part; labs are {listed(labs)}", param_hint="LAB")
    if verb == "joins" and (here or (lab in parties and lab not in labs)):
        raise click.BadParameter(f"{lab!r} is a party already", param_hint="LAB")
    if verb in {"leaves", "breaches"}:
        return Leaves(lab) if verb == "leaves" else Breaches(lab)
    pledge = _unconditional(found) if written is None else written.read(lab, found.agreement)
    return Signs(lab, pledge) if verb == "signs" else Joins(lab, pledge)


def _unconditional(found: Known) -> pledge_pb2.Pledge:
    return pledge_pb2.Pledge(clauses=[pledge_pb2.PledgeClause(level=rank) for rank in found.agreement.levels])


def _tips(found: Known, change: Change, rank: int) -> Tipping:
    """What would tip a level if it were called after the change."""
    problem = what_if(found.problem(rank), change).problem
    return tipping(problem, goal_of(problem, rank))


def _show(found: Known, change: Change, result: WhatIf, tips: list[tuple[int, Tipping]], page: Page) -> None:
    page.line(found.heading())
    page.line(f"now: {_bound(found, result.before)}.   then: {_bound(found, result.after)}.")
    for one in result.rounds:
        page.line(f" round {one.number}: {_round(found, one)}")
    sure = {lab: rank for lab, rank in result.core.items() if rank}
    page.line(f"In the core, then: {_bound(found, sure)}.")
    for lab, freed in result.pivotal.items():
        page.line(f"{safe(lab)} is pivotal then: without it {listed(sorted(freed))} would be released.")
    for rank, tips_of in tips:
        page.line(f"{found.level(rank)}, then: {tipping_words(found, rank, tips_of)}")
    if isinstance(change, Signs) and found.state.pledges[change.lab].current:
        notice = counted(found.agreement.terms.pledge_notice_periods, "period")
        page.line(f"The present pledge of {safe(change.lab)} runs on beside it for {notice}, and while it binds.")


def _bound(found: Known, kept: dict[str, int]) -> str:
    """Who keeps which level: `pause: alpha, beta; slowdown: gamma`."""
    ranks = sorted({rank for rank in kept.values() if rank}, reverse=True)
    phrases = [f"{found.level(rank)} {listed([lab for lab in kept if kept[lab] == rank])}" for rank in ranks]
    return "; ".join(phrases) or "nobody"


def _round(found: Known, one: Round) -> str:
    phrases = []
    for released in one.released:
        to = f" to {found.level(released.after)}" if released.after else ""
        why = f", lacks {unmet_words(found, released.lacks)}" if released.lacks else " (asked)"
        phrases.append(f"{safe(released.lab)} from {found.level(released.before)}{to}{why}")
    return " | ".join(phrases)


def _data(found: Known, result: WhatIf, lab: str, verb: str, tips: list[tuple[int, Tipping]]) -> dict[str, Any]:
    return found.basis() | {
        "change": {"lab": lab, "verb": verb},
        "before": [{"lab": name, "rank": rank} for name, rank in result.before.items()],
        "bound": [{"lab": name, "rank": rank} for name, rank in result.after.items()],
        "rounds": [
            [
                {
                    "lab": one.lab,
                    "before_rank": one.before,
                    "after_rank": one.after,
                    "lacks": None if one.lacks is None else unmet_data(one.lacks),
                }
                for one in each.released
            ]
            for each in result.rounds
        ],
        "core": [{"lab": name, "rank": rank} for name, rank in result.core.items()],
        "pivotal": [{"lab": name, "frees": sorted(freed)} for name, freed in result.pivotal.items()],
        "tipping": [tipping_data(found, rank, one) for rank, one in tips],
    }
