"""What exemptions a lab has now, and what it has left of them by its own attestations (spec: checks, 9).

The sums are those of the check of exemptions over what this lab has attested, so that it can stay below a ceiling.
Work of the period now running is not in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.rows import header_of
from protocol.exemptions import Allowance, allowances, exemption_of
from standstill.v1 import compute_pb2, header_pb2
from standstill.v1 import node_admin_service_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.log_store import LogStore
    from protocol.agreement import Agreement
    from protocol.duty import Duty
    from standstill.v1 import agreement_pb2

Place = tuple[int, bytes]
"""Period and site of an attestation."""

Spent = dict[str, tuple[int, int]]
"""Chip-seconds and operations by exemption."""


def exemptions_now(
    store: LogStore, origin: str, terms: Agreement, lab: str, duty: Duty, period: int
) -> list[pb.ExemptionStatus]:
    """The exemptions of the level that a lab keeps, with what is left of each in the windows that end now.

    Args:
        store: holds the lab's log.
        origin: of that log.
        terms: the agreement under the terms in force.
        lab: its name.
        duty: what it must keep.
        period: now running.
    """
    level = terms.levels.get(duty.level)
    if level is None or not level.exemptions:
        return []
    limits = list(allowances(level, duty, period))
    first = min((limit.first for limit in limits), default=period)
    spent = _spent(store, origin, level, first, period)
    sites = len(terms.parties[lab].sites)
    granted = dict(duty.grants)
    return [
        pb.ExemptionStatus(
            name=one.name,
            labels=[q.Label.Name(label).removeprefix("LABEL_").lower() for label in one.labels],
            sampled_ppm=one.sampled_ppm,
            applies=not one.on_request or one.name in granted,
            limits=[_left(limit, spent, period, sites) for limit in limits if limit.exemption == one.name],
        )
        for one in level.exemptions
    ]


def _spent(store: LogStore, origin: str, level: agreement_pb2.Level, first: int, last: int) -> dict[Place, Spent]:
    """What was attested under each exemption of a level; of several words on one period and site the larger counts."""
    found: dict[Place, Spent] = {}
    for leaf in store.by_kind(origin, header_pb2.KIND_COMPUTE_ATTESTATION, first, last):
        here = found.setdefault((leaf.period or 0, header_of(leaf).site), {})
        said: Spent = {}
        for use in compute_pb2.ComputeAttestation.FromString(leaf.body or b"").use:
            if (one := exemption_of(level, use)) is not None:
                held, operations = said.get(one.name, (0, 0))
                said[one.name] = held + use.held.value, operations + use.operations.value
        for name, (held, operations) in said.items():
            before = here.get(name, (0, 0))
            here[name] = max(before[0], held), max(before[1], operations)
    return found


def _left(limit: Allowance, spent: Mapping[Place, Spent], period: int, sites: int) -> pb.ExemptionLimit:
    inside = [said for (at, _), said in spent.items() if at >= limit.first]
    earlier = sum(1 for at, _ in spent if limit.first <= at < period)
    held = sum(said.get(limit.exemption, (0, 0))[0] for said in inside)
    operations = sum(said.get(limit.exemption, (0, 0))[1] for said in inside)
    return pb.ExemptionLimit(
        by=limit.by,
        first=limit.first,
        periods=limit.periods,
        chip_seconds=limit.chip_seconds,
        chip_seconds_left=None if limit.chip_seconds is None else max(limit.chip_seconds - held, 0),
        teraflop=limit.teraflop,
        teraflop_left=None if limit.teraflop is None else max(limit.teraflop - operations, 0),
        unattested=(period - limit.first) * sites - earlier,
    )
