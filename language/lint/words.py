"""Conditions in the words of the text, for findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from language.write_conditions import condition_text

if TYPE_CHECKING:
    from standstill.v1 import agreement_pb2
    from standstill.v1 import condition_pb2 as pb


def said(condition: pb.Condition, terms: agreement_pb2.Agreement, path: str = "") -> str:
    """A condition in one line.

    Args:
        condition: the condition.
        terms: the terms around it.
        path: path of the field that it stands in; what is its own level's needs no name there.
    """
    level = path.split(".")[1] if path.startswith("levels.") else ""
    return condition_text(condition, terms, next((one.rank for one in terms.levels if one.name == level), 0))
