"""An agreement in words: the one page that people read before they sign. Every field that counts has its sentence here.

    terms -> sections, each a heading and sentences -> wrapped text (here), HTML (page_html), JSON (the command)

The sentences are made from the terms, never from the text that was compiled, so the page of the bytes is the page that
everybody sees. Keys and origins are not on it: nobody reads them, and the digest covers them.
"""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from language.characters import visible
from language.page_levels import brake_sentence, level_sentences
from language.page_parties import chip_sentence, event_sentence, indicator_sentence, who
from language.page_votes import rule_sentence, rule_words
from language.page_words import counted, flop, listed, moment, number_format, rate, seconds, span
from language.page_worth import worth
from protocol.agreement_limits import quorum
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from language.problem import Problem

WIDTH: Final = 80
_MARGIN: Final = 12

_GAP: Final = "\N{NO-BREAK SPACE}"
_UNIT: Final = re.compile(r"(\d) (s|min|h|d|%|ppm|x|W|chips?|[TG]?FLOP(?:/s)?)(?![\w/])")
"""A number and its unit, which stay on one line."""

Said = tuple[str, str]
"""Dotted path of what a sentence is about, and the sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the page.

    Attributes:
        clause: dotted path of what it is about, as in refusals: `levels.pause.trigger`.
        text: the sentence.
    """

    clause: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """What the page is made from.

    Attributes:
        terms: valid terms.
        digest: SHA-256 of their bytes, 32 bytes; None while keys are still to come.
        signed: for each party whether it has accepted; None where nobody asked.
        problems: what `check` found.
        places: for a clause, where the text says it, as `file:line`; empty for bytes.
    """

    terms: pb.Agreement
    digest: bytes | None = None
    signed: Mapping[str, bool] | None = None
    problems: Sequence[Problem] = ()
    places: Mapping[str, str] = field(default_factory=dict)


def page(view: PageView) -> str:
    """The whole page, wrapped to 80 columns."""
    lines = [*heading_lines(view), ""]
    for section in sections(view):
        said = " ".join(_placed(view, sentence) for sentence in section.sentences)
        indent = " " * _MARGIN
        first = f"{section.heading:<{_MARGIN}}"
        if len(section.heading) >= _MARGIN:
            lines.append(section.heading)
            first = indent
        wrapped = textwrap.wrap(
            _UNIT.sub(rf"\1{_GAP}\2", said),
            WIDTH,
            initial_indent=first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [line.replace(_GAP, " ") for line in wrapped]
    return "\n".join(lines) + "\n"


def heading_lines(view: PageView) -> list[str]:
    """What stands above the sections: name and state, and the digest once there is one."""
    lines = [f"{visible(view.terms.name).upper()}   {_state(view)}   times UTC"]
    return lines if view.digest is None else [*lines, f"{'DIGEST':<{_MARGIN}}{view.digest.hex()}"]


def sections(view: PageView) -> list[Section]:
    """The page in parts, in reading order; sections with nothing to say are left out."""
    found: list[Section] = []
    for heading, say in _BEFORE_LEVELS:
        found += _section(heading, say(view.terms))
    for level in view.terms.levels:
        said = ((f"levels.{level.name}.{part}", text) for part, text in level_sentences(view.terms, level))
        found += _section(level.name.upper(), said)
    for heading, say in _AFTER_LEVELS:
        found += _section(heading, say(view.terms))
    check = tuple(Sentence(one.clause, _told(one)) for one in view.problems)
    if check:
        found.append(Section("CHECK", check))
    return found


def _told(problem: Problem) -> str:
    of = f", {problem.clause}" if problem.clause else ""
    said = problem.sentence
    return f"{problem.severity} {problem.code}{of}: {said}{'' if said.endswith(('.', '?')) else '.'}"


def _state(view: PageView) -> str:
    if view.digest is None:
        return "draft, keys to come"
    if view.signed is None:
        return "compiled terms"
    founders = view.terms.founding
    done = [name for name in founders if view.signed.get(name)]
    return f"{len(done)} of {len(founders)} founders have signed"


def place_of(clause: str, places: Mapping[str, object]) -> str:
    """The longest part of a dotted path whose place is known; empty if none is."""
    path = clause
    while path and path not in places:
        path = path.rpartition(".")[0]
    return path


def _placed(view: PageView, sentence: Sentence) -> str:
    path = place_of(sentence.clause, view.places)
    return f"{sentence.text} [{view.places[path]}]" if path else sentence.text


def _section(heading: str, said: Iterable[Said]) -> Iterator[Section]:
    sentences = tuple(Sentence(clause, visible(text)) for clause, text in said)
    if sentences:
        yield Section(heading, sentences)


def _every(terms: pb.Agreement) -> Iterator[Said]:
    clocks = terms.freshness
    late, stale, presumed = (
        span(terms, periods)
        for periods in (clocks.late_periods, clocks.stale_periods, clocks.presumed_non_compliant_periods)
    )
    yield (
        "period_seconds",
        (
            f"{seconds(terms.period_seconds)} from {moment(terms.start)} on each lab states what each of its sites did "
            f"within {seconds(clocks.publish_within_seconds)} (whole periods are what is judged)."
        ),
    )
    yield "freshness", f"Late after {late}, stale after {stale}, presumed not to comply after {presumed} of silence."
    if terms.patience_periods:
        yield "patience_periods", f"A registrar silent for {span(terms, terms.patience_periods)} is replaced."


def _verifiers(terms: pb.Agreement) -> Iterator[Said]:
    owners = {party.owner for party in terms.parties if pb.ROLE_VERIFIER in party.roles}
    liars = terms.lying_verifiers
    yield (
        "lying_verifiers",
        f"{quorum(terms)} of {len(owners)} verifiers must agree, counted by owner; {liars} may lie or be broken.",
    )
    yield (
        "founding",
        (
            f"In force once {listed(terms.founding)} have signed; void if that takes longer than "
            f"{span(terms, terms.forming_end_periods)}."
        ),
    )


def _units(terms: pb.Agreement) -> Iterator[Said]:
    if terms.HasField("unit"):
        unit = terms.unit
        yield "unit", f"One {unit.name} is {rate(unit.gigaflop_per_second)} {number_format(unit.format)}."
    if terms.chips:
        yield "chips", "Power is that of one chip with its share of the node."
    for chip in terms.chips:
        yield f"chips.{chip.name}", chip_sentence(chip)


def _measured(terms: pb.Agreement) -> Iterator[Said]:
    for indicator in terms.indicators:
        yield f"indicators.{indicator.name}", indicator_sentence(terms, indicator)
    for event in terms.events:
        yield f"events.{event.name}", event_sentence(terms, event)


def _baseline(terms: pb.Agreement) -> Iterator[Said]:
    if terms.baseline_periods:
        yield (
            "baseline_periods",
            (
                f"is what a lab did on average in the {span(terms, terms.baseline_periods)} before a restriction, "
                "as verified."
            ),
        )


def _brakes(terms: pb.Agreement) -> Iterator[Said]:
    for level in terms.levels:
        if level.HasField("brake"):
            said = brake_sentence(terms, level)
            yield f"levels.{level.name}.brake", f"{said[:1].upper()}{said[1:]}"


def _votes(terms: pb.Agreement) -> Iterator[Said]:
    for rule in terms.rules:
        yield f"rules.{rule.name}", rule_sentence(terms, rule)
    if terms.rules:
        yield "rules", "All votes are counted by owner."


def _breach(terms: pb.Agreement) -> Iterator[Said]:
    standing = terms.standing
    notice = span(terms, standing.release_notice_periods)
    yield (
        "standing.breached",
        (
            f"in {standing.breached} of the last {counted(standing.of_last, 'settled verdict')} makes a lab accused. "
            f"A verdict is settled after {span(terms, standing.settle_periods)}."
        ),
    )
    if standing.silence_out_periods:
        yield "standing.silence_out_periods", f"Silence of {span(terms, standing.silence_out_periods)} does the same."
    yield "standing.release_notice_periods", f"{notice} later {_release(terms)}."
    yield (
        "standing.back_after_periods",
        (
            f"The lab itself stays bound, and is relied on again after {span(terms, standing.back_after_periods)} of "
            "honored periods in a row, twice as long after each further loss."
        ),
    )


def _release(terms: pb.Agreement) -> str:
    standing = terms.standing
    held = f" unless {rule_words(terms, standing.hold_rule)} vote to hold together ({standing.hold_rule})"
    freed = "others are released from what they promised on its account"
    if standing.release != pb.RELEASE_ON_VOTE:
        return f"{freed}{held if standing.hold_rule else ''}"
    by = f"{rule_words(terms, standing.release_rule)} ({standing.release_rule})" if standing.release_rule else "nobody"
    return f"others stay bound, until {by} release them{f';{held}' if standing.hold_rule else ''}"


def _joining(terms: pb.Agreement) -> Iterator[Said]:
    if not terms.admitted_by:
        yield "admitted_by", "Nobody can join."
    else:
        yield "admitted_by", f"takes {rule_words(terms, terms.admitted_by)} ({terms.admitted_by})."
    if terms.novice_periods:
        yield "novice_periods", f"Who has joined votes after {span(terms, terms.novice_periods)}."


def _changing(terms: pb.Agreement) -> Iterator[Said]:
    if terms.amended_by:
        yield "amended_by", f"these terms takes {rule_words(terms, terms.amended_by)} ({terms.amended_by})."
    else:
        yield "amended_by", "These terms cannot be changed."
    if terms.exempted_by:
        yield "exempted_by", f"Exemptions on request take {rule_words(terms, terms.exempted_by)} ({terms.exempted_by})."


def _leaving(terms: pb.Agreement) -> Iterator[Said]:
    notice = span(terms, terms.withdrawal_notice_periods)
    yield (
        "withdrawal_notice_periods",
        (f"{notice} of notice, during which all duties go on, and no exit while a level is called or in force."),
    )
    yield "pledge_notice_periods", f"A pledge that is replaced runs on for {span(terms, terms.pledge_notice_periods)}."


def _before(terms: pb.Agreement) -> Iterator[Said]:
    if terms.HasField("prior_report"):
        report = terms.prior_report
        top = f" and up to {flop(report.up_to_teraflop)}" if report.up_to_teraflop else ""
        silence = "approves" if report.silence_approves else "refuses"
        extendable = "; the time may be extended" if report.extendable else ""
        yield (
            "prior_report",
            (
                f"training of more than {flop(report.above_teraflop)}{top}: a report of "
                f"{listed(report.contents, empty='it')}. {report.answered_by} answers within "
                f"{span(terms, report.answer_periods)}; silence {silence}{extendable}."
            ),
        )
    if terms.HasField("covered_cluster"):
        cluster = terms.covered_cluster
        within = span(terms, cluster.registered_within_periods)
        yield (
            "covered_cluster",
            f"Clusters above {rate(cluster.above_gigaflop_per_second)} are registered within {within}.",
        )


def _missing(terms: pb.Agreement) -> Iterator[Said]:
    yield "levels", "evidence counts neither way: what is unknown calls nothing and lifts nothing."


def _not_encoded(terms: pb.Agreement) -> Iterator[Said]:
    if terms.not_encoded:
        yield "not_encoded", f"and executed by no machine: {'; '.join(terms.not_encoded)}."


def _sources(terms: pb.Agreement) -> Iterator[Said]:
    """Sources with the clauses that rest on them, so that one source is named once."""
    clauses = defaultdict(list)
    for citation in terms.citations:
        clauses[citation.source].append(citation.clause or "the whole")
    for source, named in clauses.items():
        yield "citations", f'{listed(named)}: "{source}".'


_Sections = Sequence[tuple[str, Callable[[pb.Agreement], Iterator[Said]]]]

_BEFORE_LEVELS: Final[_Sections] = (
    ("WHO", who),
    ("AGREEING", _verifiers),
    ("EVERY", _every),
    ("MEASURED", _measured),
    ("BASELINE", _baseline),
    ("BEFORE", _before),
)
_AFTER_LEVELS: Final[_Sections] = (
    ("BRAKE", _brakes),
    ("VOTES", _votes),
    ("A BREACH", _breach),
    ("LEAVING", _leaving),
    ("JOINING", _joining),
    ("CHANGING", _changing),
    ("MISSING", _missing),
    ("WORTH", worth),
    ("NOT ENCODED", _not_encoded),
    ("SOURCES", _sources),
    ("CHIPS", _units),
)
