"""A history to try terms on: one statement a line, in the form of `node publish` with who said it and when.

    {"at": 48, "party": "beta", "kind": "IndicatorReport", "period": 47, "body": {"indicator": "task_horizon", ...}}
    {"at": 50, "party": "vera", "kind": "Assessment", "period": 48, "lab": "gamma", "verdict": "breached"}

`at` is the period whose closing covers the statement first. A verdict is said short, as only its summary counts.
"""

from __future__ import annotations

import json
from typing import Any, Final

from cli.publish_format import read_drafts
from language.rehearse import MOST_PERIODS, Said
from protocol.authoring import Draft
from protocol.errors import Reason, Refused, require
from standstill.v1 import header_pb2

_VERDICTS: Final = {
    word: header_pb2.Verdict.Value(f"VERDICT_{word.upper()}")
    for word in ("honored", "inconclusive", "discrepant", "breached")
}


def read_history(text: str, name: str) -> list[Said]:
    """The statements of a history.

    Raises:
        Refused: DRAFT_MALFORMED, KIND_UNKNOWN with `name:line` before the field.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_said(line))
        except Refused as refused:
            field = f"{name}:{number}: {refused.field}" if refused.field else f"{name}:{number}"
            raise Refused(refused.reason, field, refused.detail) from refused
    return found


def _said(line: str) -> Said:
    try:
        table = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.DRAFT_MALFORMED, "", f"expected JSON: {error}") from error
    require(isinstance(table, dict), Reason.DRAFT_MALFORMED, "", "expected one statement, { ... }")
    at, party = table.pop("at", None), table.pop("party", None)
    timely = isinstance(at, int) and not isinstance(at, bool) and 0 <= at < MOST_PERIODS
    require(timely, Reason.DRAFT_MALFORMED, "at", f"expected a period from 0 to {MOST_PERIODS - 1}, found {at!r}")
    require(isinstance(party, str), Reason.DRAFT_MALFORMED, "party", f"expected a name, found {party!r}")
    return Said(at, party, _verdict(table) if table.get("kind") == "Assessment" else _draft(table))


def _draft(table: dict[str, Any]) -> Draft:
    (read,) = read_drafts(json.dumps(table), {})
    period = read.period if read.HasField("period") else None
    return Draft(kind=read.kind, body=read.body, period=period, site=read.site)


def _verdict(table: dict[str, Any]) -> Draft:
    lab, verdict, period = (table.get(key) for key in ("lab", "verdict", "period"))
    unknown = set(table) - {"kind", "lab", "verdict", "period", "revision"}
    require(not unknown, Reason.DRAFT_MALFORMED, ", ".join(sorted(unknown)), "no key of a verdict")
    require(isinstance(lab, str), Reason.DRAFT_MALFORMED, "lab", f"expected a name, found {lab!r}")
    known = ", ".join(_VERDICTS)
    require(verdict in _VERDICTS, Reason.DRAFT_MALFORMED, "verdict", f"expected one of {known}, found {verdict!r}")
    ended = isinstance(period, int) and 0 <= period < MOST_PERIODS
    require(ended, Reason.DRAFT_MALFORMED, "period", f"expected a period, found {period!r}")
    summary = header_pb2.AssessmentSummary(
        lab=str(lab), verdict=_VERDICTS[str(verdict)], revision=int(table.get("revision", 1))
    )
    return Draft(kind=header_pb2.KIND_ASSESSMENT, body=b"", period=period, summary=summary)
