"""`standstill audit verify`: derive the verdict in a bundle again, with no service running.

Imports only what verification needs: from the start of the process to the answer in less than a tenth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from cli.audit import trust, words
from cli.output import Exit, answer, end, json_option
from protocol.bundle import BEYOND, MAX_BUNDLE_BYTES, Report, Result, verify_bundle
from protocol.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import HiddenCompute

SCHEMA: Final = "standstill/audit.verify/1"

_EXITS: Final = {
    Reason.ASSESSMENT_DIFFERS: Exit.NOT_CONFIRMED,
    Reason.BOUND_DIFFERS: Exit.NOT_CONFIRMED,
    Reason.BUNDLE_INCOMPLETE: Exit.NOT_APPRAISED,
}
"""Refusals that say something else than that the data cannot be trusted."""


class _Root(NamedTuple):
    """What the agreement's digest is compared with.

    Attributes:
        digest: 32 bytes; None if nothing is pinned.
        note: where it came from, if that matters.
    """

    digest: bytes | None
    note: str = ""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--trust", "given", metavar="FILE|HEX", help="SHA-256 of the agreement that you know, or a file with it.")
@click.option("--ascii", "only_ascii", is_flag=True, help="Write ASCII only.")
@json_option
def command(file: str, given: str | None, only_ascii: bool, as_json: bool) -> None:
    """Derive the verdict in the bundle FILE again (- is standard input).

    Exit codes: 0 confirmed, 1 the bytes give another verdict, 3 something that matters could not be checked,
    5 a signature, proof, head or the trust root failed.
    """
    root = _root(file, given)
    report = verify_bundle(_read(file), root.digest, check_bound)
    code = exit_of(report)
    if as_json:
        notes = [root.note] if root.note else []
        answer(SCHEMA, words.ANSWERS[code], _data(report), exit_code=code, notes=[*notes, _conclusion(report, code)])
    else:
        _print(report, root, code, only_ascii=only_ascii)
    end(code)


def check_bound(case: Case, stated: HiddenCompute, proofs: Mapping[bytes, bytes]) -> str:
    """Derive bound and floor from their proofs."""
    from bound.reckoning import check

    return check(case, stated, proofs)


def exit_of(report: Report) -> Exit:
    """What a report means for the exit code; steps that no bundle can pass do not change it."""
    failed = report.failed()
    if failed is not None:
        return Exit.NOT_TRUSTED if failed.reason is None else _EXITS.get(failed.reason, Exit.NOT_TRUSTED)
    unchecked = {step.name for step in report.steps if step.result is Result.NOT_CHECKED}
    return Exit.DONE if unchecked <= BEYOND else Exit.NOT_APPRAISED


def _root(file: str, given: str | None) -> _Root:
    if given is not None:
        return _Root(trust.pinned(given))
    directory, slash, _ = file.rpartition("/")
    beside = f"{directory}{slash}{trust.FILE}"
    if file == "-" or not trust.is_there(beside):
        return _Root(None)
    note = f"Trust root from {beside}, beside the bundle; a digest that you got another way proves more (--trust)."
    return _Root(trust.read(beside), note)


def _read(file: str) -> bytes:
    """The file, or so much of it that it is too large."""
    with click.open_file(file, "rb") as stream:
        data: bytes = stream.read(MAX_BUNDLE_BYTES + 1)
    return data


def _claim(report: Report) -> str:
    """What the bundle says: lab, period, verdict."""
    word = words.mark(report.verdict or 0).word
    return f'"{words.safe(report.lab)} P{report.period} {word}"'


def _conclusion(report: Report, code: Exit) -> str:
    """One sentence: what follows, and what does not."""
    match code:
        case Exit.DONE:
            return f"Confirmed offline: {_claim(report)} follows from these bytes (not: the lab is honest)"
        case Exit.NOT_CONFIRMED:
            return f"Not confirmed: {_claim(report)} is signed, and does not follow from these bytes"
        case Exit.NOT_APPRAISED if report.failed() is None:
            return (
                f"Not confirmed: {_claim(report)} follows, if the agreement is the one that you know: "
                "compare its digest (--trust FILE|HEX)"
            )
        case Exit.NOT_APPRAISED:
            return "Could not check: the bundle lacks something that its verdict rests on; ask for it again"
        case _:
            return "Not trusted: do not use this bundle; fetch it again, and tell the verifier if it stays so"


def _data(report: Report) -> dict[str, Any]:
    return {
        "lab": report.lab,
        "period": report.period,
        "verdict": words.mark(report.verdict or 0).word if report.verdict is not None else None,
        "revision": report.revision,
        "record_period": report.assessment.record_period if report.assessment is not None else None,
        "checks": [
            {"name": step.name, "result": str(step.result), "detail": step.detail, "reason": step.reason}
            for step in report.steps
        ],
        "findings": [finding.code for finding in report.assessment.findings] if report.assessment is not None else [],
    }


def _print(report: Report, root: _Root, code: Exit, *, only_ascii: bool) -> None:
    width = max(len(step.name) for step in report.steps)
    shown = {Result.PASSED: "passed", Result.FAILED: "FAILED", Result.NOT_CHECKED: "NOT CHECKED"}
    lines = [f" {step.name:{width}}  {shown[step.result]:11}  {words.safe(step.detail)}" for step in report.steps]
    if report.assessment is not None:
        lines.append(f"Revision {report.revision}, assessed on the record to P{report.assessment.record_period}")
    lines += [root.note] if root.note else []
    for line in [*lines, _conclusion(report, code)]:
        click.echo(words.as_ascii(line) if only_ascii else line)
