"""`standstill pledges explain`: why one party keeps what it keeps, and what it lacks."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.audit.asking import Options, asking_options
from cli.audit.words import safe
from cli.output import Exit, answer
from cli.pledges.known import Known, known, level_option, listed, unmet_data, unmet_words
from cli.tables import Look, Page
from protocol.pledge_analysis import core, pivotal, unmet_of_all
from protocol.pledges import Solution, solve
from protocol.truth import Explained

SCHEMA: Final = "standstill/pledges.explain/1"


@click.command()
@click.argument("party")
@level_option
@asking_options
def command(options: Options, party: str, level: str | None, as_json: bool, color: str, only_ascii: bool) -> None:
    """Explain why PARTY keeps what it keeps by its pledge, down to each test, and what it lacks for more.

    Exit codes: 0 obtained, 2 no lab of that name, 4 verifier not reached, 5 not trusted.
    """
    with known(options, level) as found:
        if party not in found.agreement.labs:
            raise click.BadParameter(f"no lab {party!r}; labs are {listed(found.agreement.labs)}", param_hint="PARTY")
        solution = solve(found.agreement, found.state, found.assumed)
        if as_json:
            answer(SCHEMA, "done", _data(found, solution, party), exit_code=Exit.DONE, as_of=found.asked.as_of)
        else:
            _show(found, solution, party, Page(Look(color, only_ascii)))


def _show(found: Known, solution: Solution, party: str, page: Page) -> None:
    page.line(found.heading())
    problem, kept = found.problem(), solution.kept[party]
    sure = core(problem)[party]
    page.line(f"{safe(party)} keeps {found.level(kept)} by its pledge; in the core: {found.level(sure)}")
    for line in solution.reasons[party].lines(1):
        page.line(safe(line))
    floor = found.state.pledges[party].floor
    if floor and floor == kept:
        page.line(f"It keeps {found.level(floor)} whatever its clauses say: it lost standing while it kept it.")
    lacks = unmet_of_all(problem).get(party)
    if lacks is not None:
        word = "lacks: " if lacks.possible else ""
        page.line(f"For {found.level(lacks.level)} it {word}{unmet_words(found, lacks)}")
    freed = pivotal(problem).get(party, frozenset())
    if freed:
        page.line(f"Without it {listed(sorted(freed))} would be released.")


def _data(found: Known, solution: Solution, party: str) -> dict[str, Any]:
    problem = found.problem()
    lacks = unmet_of_all(problem).get(party)
    return found.basis() | {
        "lab": party,
        "rank": solution.kept[party],
        "core_rank": core(problem)[party],
        "floor_rank": found.state.pledges[party].floor,
        "why": _tree(solution.reasons[party]),
        "unmet": None if lacks is None else unmet_data(lacks),
        "frees": sorted(pivotal(problem).get(party, ())),
    }


def _tree(explained: Explained) -> dict[str, Any]:
    """An explanation for JSON, with the statements that it ends in."""
    return {
        "value": explained.value.name.lower(),
        "text": explained.text,
        "missing": explained.missing,
        "assumed": explained.assumed,
        "evidence": [
            {"origin": ref.origin, "index": ref.index, "identity": ref.identity} for ref in explained.evidence
        ],
        "because": [_tree(part) for part in explained.because],
    }
