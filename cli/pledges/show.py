"""`standstill pledges show`: who keeps what, on whom it rests, what would tip each level."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.audit.asking import Options, asking_options
from cli.audit.words import safe
from cli.output import Exit, answer
from cli.pledges.known import Known, known, level_option, listed, unmet_data, unmet_words
from cli.tables import Look, Page
from protocol.pledge_analysis import core, hollow, pivotal, unmet_of_all
from protocol.pledge_problem import Problem
from protocol.pledges import greatest, named
from protocol.tipping import Tipping, goal_of, tipping
from protocol.truth import counted

SCHEMA: Final = "standstill/pledges.show/1"
HEADS: Final = ("LAB", "KEEPS BY PLEDGE", "CORE", "FREES IF GONE", "LACKS FOR MORE")
_SHOWN: Final = 8
"""Tipping sets shown to people; --json has all."""


@click.command()
@level_option
@asking_options
def command(options: Options, level: str | None, as_json: bool, color: str, only_ascii: bool) -> None:
    """Show who keeps what by its pledge, on whom that rests, and what would bring each level into force.

    CORE is what each lab would keep if nobody kept anything on the promise that others will: what is above it rests on
    labs that wait for each other.

    Exit codes: 0 obtained, 2 usage, 4 verifier not reached, 5 not trusted.
    """
    with known(options, level) as found:
        problem = found.problem()
        tips = [(rank, _tips(found, rank)) for rank in found.by_pledge()]
        if as_json:
            answer(SCHEMA, "done", _data(found, problem, tips), exit_code=Exit.DONE, as_of=found.asked.as_of)
        else:
            _show(found, problem, tips, Page(Look(color, only_ascii)))


def _tips(found: Known, rank: int) -> Tipping:
    """What would tip a level if it were called."""
    problem = found.problem(rank)
    return tipping(problem, goal_of(problem, rank))


def _show(found: Known, problem: Problem, tips: list[tuple[int, Tipping]], page: Page) -> None:
    page.line(found.heading())
    kept, sure, rests = named(problem, greatest(problem)[0]), core(problem), pivotal(problem)
    lacks = unmet_of_all(problem)
    page.table(
        HEADS,
        (
            [
                safe(lab),
                found.level(kept[lab]),
                found.level(sure[lab]),
                listed(sorted(rests.get(lab, ()))),
                unmet_words(found, lacks[lab]) if lab in lacks else "-",
            ]
            for lab in found.agreement.labs
        ),
    )
    for lab, rank, why in hollow(problem):
        page.line(f"{safe(lab)}'s clause for {found.level(rank)} is hollow: {why}.")
    for rank, tips_of in tips:
        page.line(f"{found.level(rank)}: {tipping_words(found, rank, tips_of)}")


def tipping_words(found: Known, rank: int, tips: Tipping) -> str:
    """What would bring a level into force, or everybody into it, in one line."""
    entry = found.agreement.levels[rank].HasField("entry")
    holds = "a call would find its entry rule met" if entry else "every lab keeps it once it is called"
    if tips.least == 0:
        return holds
    if tips.least is None:
        return f"no set of labs would do so that {holds}"
    sets = " | ".join(listed(sorted(one)) for one in tips.sets[:_SHOWN])
    if tips.least != tips.most:
        return f"{holds} with between {tips.least} and {tips.most} labs more; {tips.most} that do: {sets}"
    more = "" if tips.listed_all and len(tips.sets) <= _SHOWN else " | and others"
    return f"{holds} with {counted(tips.least, 'lab')} more: {sets}{more}"


def tipping_data(found: Known, rank: int, tips: Tipping) -> dict[str, Any]:
    """The same for JSON; `least` and `most` are absent where no set would do."""
    return {
        "level": found.agreement.levels[rank].name,
        "rank": rank,
        "candidates": list(tips.candidates),
        "least": tips.least,
        "most": tips.most,
        "sets": [sorted(one) for one in tips.sets],
        "listed_all": tips.listed_all,
    }


def _data(found: Known, problem: Problem, tips: list[tuple[int, Tipping]]) -> dict[str, Any]:
    kept, sure = named(problem, greatest(problem)[0]), core(problem)
    return found.basis() | {
        "bound": [{"lab": lab, "rank": kept[lab]} for lab in found.agreement.labs],
        "core": [{"lab": lab, "rank": sure[lab]} for lab in found.agreement.labs],
        "pivotal": [{"lab": lab, "frees": sorted(freed)} for lab, freed in pivotal(problem).items()],
        "unmet": {lab: unmet_data(unmet) for lab, unmet in unmet_of_all(problem).items()},
        "hollow": [{"lab": lab, "rank": rank, "why": why} for lab, rank, why in hollow(problem)],
        "tipping": [tipping_data(found, rank, one) for rank, one in tips],
    }
