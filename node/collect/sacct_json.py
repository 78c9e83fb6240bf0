"""Slurm accounting as JSON: `sacct -a -D --json`, Slurm 22.05 to 25.x.

The shape drifts between versions, so everything passes one normaliser: a state is a text (22.05) or a list (23.11 and
later), a number is a number or `{"set": .., "infinite": .., "number": ..}`, and time zero stands for none. Rows are
records, from 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NoReturn, cast

from node.collect.figures import JobRecord, Skip, Tally
from node.collect.sacct import Accounted, JsonNames, job_records
from node.collect.source import Options, Reading, Source
from node.collect.tres import tres_list
from node.collect.values import duration, instant
from protocol.errors import Reason, Refused, require

_ATTRIBUTES: Final = {
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "name": "name",
    "comment": "comment",
    "wckey": "wckey",
}


def parse_document(name: str, text: str) -> object:
    """Read a JSON text; numbers that JSON does not know (NaN, Infinity) are refused.

    Raises:
        Refused: TRACE_JSON_MALFORMED.
    """

    def constant(word: str) -> NoReturn:
        raise Refused(Reason.TRACE_JSON_MALFORMED, name, f"{word} is no JSON number")

    try:
        return cast("object", json.loads(text, parse_constant=constant, parse_float=str))
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.TRACE_JSON_MALFORMED, name, str(error)) from None


def claims(source: Source) -> bool:
    """Return whether the input is a JSON document with a list of jobs."""
    document = source.document
    return isinstance(document, dict) and isinstance(document.get("jobs"), list)


def read(source: Source, options: Options, tally: Tally) -> Reading:
    """Read every job that held accelerators; steps are nested in their jobs and are not looked at."""
    jobs = source.document.get("jobs", []) if isinstance(source.document, dict) else []
    records: list[JobRecord] = []
    seen: set[str] = set()
    for number, job in enumerate(jobs, start=1):
        try:
            key = json.dumps(job, sort_keys=True)
            require(key not in seen, Reason.TRACE_DUPLICATE_ROW, "", "the same record stands in the file before")
            found = job_records(_accounted(job, options), options, JsonNames(), tally)
        except Refused as no:
            tally.reject(number, no, _cell(job, no.field))
            continue
        seen.add(key)
        if isinstance(found, Skip):
            tally.skip(found)
            continue
        tally.kept += 1
        records.extend(found)
    return Reading(jobs=tuple(records))


def _accounted(job: object, options: Options) -> Accounted:
    if not isinstance(job, dict):
        raise Refused(Reason.TRACE_JSON_MALFORMED, "", "a job is not an object")
    times = _part(job, "time")
    resources = _part(job, "tres")
    elapsed = _number(times.get("elapsed"), "time.elapsed")
    suspended = _number(times.get("suspended"), "time.suspended")
    return Accounted(
        job=str(job.get("job_id", "")),
        start=_time(times.get("start"), "time.start", options),
        end=_time(times.get("end"), "time.end", options),
        elapsed=None if elapsed is None else duration(elapsed, "time.elapsed"),
        suspended=None if suspended is None else duration(suspended, "time.suspended"),
        gpus=tres_list(resources.get("allocated", []), "tres.allocated"),
        attributes=_attributes(job),
    )


def _attributes(job: Mapping[str, object]) -> dict[str, str]:
    found = {name: _text(job[key]) for key, name in _ATTRIBUTES.items() if key in job}
    state = job.get("state")
    if isinstance(state, dict):
        found["state"] = _text(state.get("current", ""))
    reservation = job.get("reservation")
    if isinstance(reservation, dict):
        found["reservation"] = _text(reservation.get("name", ""))
    return found


def _part(job: Mapping[str, object], key: str) -> Mapping[str, object]:
    part = job.get(key)
    if not isinstance(part, dict):
        raise Refused(Reason.TRACE_COLUMN_MISSING, key, "expected an object")
    return part


def _text(value: object) -> str:
    """Return a text for a state that is a text or a list of texts, and for names kept as `{"wckey": ..}`."""
    if isinstance(value, list):
        return "+".join(str(item) for item in value)
    if isinstance(value, dict):
        return next((str(item) for item in value.values() if isinstance(item, str)), "")
    return str(value)


def _number(value: object, column: str) -> str | None:
    """Return a number as its text, from either of its shapes; None where it is not set."""
    if isinstance(value, dict):
        if not value.get("set", True):
            return None
        infinite = bool(value.get("infinite", False))
        require(not infinite, Reason.TRACE_NOT_A_NUMBER, column, "infinite")
        value = value.get("number")
    if value is None:
        return None
    plain = isinstance(value, int | str) and not isinstance(value, bool)
    require(plain, Reason.TRACE_NOT_A_NUMBER, column, f"{value!r:.40} is no number")
    return str(value)


def _time(value: object, column: str, options: Options) -> int | None:
    number = _number(value, column)
    seconds = None if number is None else instant(number, column, options.zone)
    return seconds or None


def _cell(job: object, path: str) -> str:
    """Return the value at a dotted path, as text, for the list of rejected rows."""
    value = job
    for key in path.split(".") if path else ():
        value = value.get(key) if isinstance(value, dict) else None
    return "" if value is None or value is job else json.dumps(value)
