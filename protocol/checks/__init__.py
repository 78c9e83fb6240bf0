"""Checks: small pure functions with one shape, in one table (design section 6).

    check(case) -> findings

A check says what it found and what it means by itself; the verdict is drawn from all of them in
:mod:`protocol.appraisal`. To add one: a module here with a `check` function and its `CODES`, and a row in
:data:`CHECKS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.checks import (
    answers,
    chip_items,
    chip_time,
    completeness,
    energy_use,
    exemption,
    flop_ceiling,
    halt,
    hidden_compute,
    inventory_growth,
    level,
    log_growth,
    meter,
    run_size,
    signatures,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding


class Check(NamedTuple):
    """A row of the table.

    Attributes:
        name: of the check.
        run: the check.
        codes: every code that it can report, with what the code means.
    """

    name: str
    run: Callable[[Case], Iterable[Finding]]
    codes: Mapping[str, str]


CHECKS: Final = tuple(
    Check(module.__name__.rpartition(".")[2], module.check, module.CODES)
    for module in (
        signatures,
        log_growth,
        completeness,
        chip_items,
        chip_time,
        flop_ceiling,
        energy_use,
        meter,
        level,
        exemption,
        run_size,
        inventory_growth,
        halt,
        answers,
        hidden_compute,
    )
)
"""All checks, in the order in which their findings are listed."""


def run_all(case: Case) -> list[Finding]:
    """Findings of every check, in the order of the table."""
    return [finding for check in CHECKS for finding in check.run(case)]
