"""Slurm's resource texts: how many accelerators of which type a job held.

    TRES   billing=64,cpu=64,gres/gpu:h100=8,gres/gpu=8,mem=512G,node=1   over the job (sacct AllocTRES, ReqTRES)
    GRES   gpu:h100:8  or  gpu:8  or  gpu                                 (sacct AllocGRES, ReqGRES; Slurm before 20.11)

A TRES text may name a type and repeat it in the untyped total; types then split the total. Formats: sacct(1),
gres.conf(5).
"""

from __future__ import annotations

import re
from typing import Final

from node.collect.values import whole_number
from protocol.errors import Reason, Refused, require

_TRES_GPU: Final = re.compile(r"gres/gpu(?::([^=,]+))?=(.*)")


def gpus_of(text: str, column: str) -> dict[str, int]:
    """Return accelerators by type from a TRES or GRES text; the type of untyped ones is the empty string.

    Raises:
        Refused: a count is malformed (TRACE_NOT_A_NUMBER and others), or types exceed the total (TRACE_CHIPS_DISAGREE).
    """
    typed: dict[str, int] = {}
    total: int | None = None
    for part in filter(None, text.strip().split(",")):
        found = _gpu(part)
        if found is None:
            continue
        kind, count = found[0], whole_number(found[1], column)
        if kind:
            typed[kind] = typed.get(kind, 0) + count
        else:
            total = count if total is None else total + count
    return _with_rest(typed, total, column)


def _gpu(part: str) -> tuple[str, str] | None:
    """Return type and count, as text, of one part of the list if it is about GPUs."""
    if tres := _TRES_GPU.fullmatch(part):
        return tres[1] or "", tres[2]
    match part.partition("(")[0].split(":"):
        case ["gpu" | "gres/gpu"]:
            return "", "1"
        case ["gpu" | "gres/gpu", count] if count[:1].isdigit() or count[:1] == "-":
            return "", count
        case ["gpu" | "gres/gpu", kind]:
            return kind, "1"
        case ["gpu" | "gres/gpu", kind, count]:
            return kind, count
        case _:
            return None


def _with_rest(typed: dict[str, int], total: int | None, column: str) -> dict[str, int]:
    named = sum(typed.values())
    if total is None:
        return typed
    require(named <= total, Reason.TRACE_CHIPS_DISAGREE, column, f"types add up to {named}, the total says {total}")
    return {**typed, "": total - named} if total > named or not typed else typed


def tres_list(items: object, column: str) -> dict[str, int]:
    """Return accelerators by type from the list of TRES objects that `sacct --json` writes."""
    if not isinstance(items, list):
        raise Refused(Reason.TRACE_JSON_MALFORMED, column, "expected a list")
    parts = [item for item in items if isinstance(item, dict) and item.get("type") == "gres"]
    return gpus_of(",".join(f"gres/{item.get('name')}={item.get('count')}" for item in parts), column)
