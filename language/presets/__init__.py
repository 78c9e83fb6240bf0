"""Agreements to start from: texts that compile, each clause with its source. What they leave out stands beside them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Preset:
    """An agreement to start from.

    Attributes:
        name: its file, without the ending.
        title: what it is, in one line.
        change_first: what who starts from it changes first.
    """

    name: str
    title: str
    change_first: str

    @property
    def text(self) -> str:
        """The agreement, in the language."""
        return self._read("agreement")

    @property
    def about(self) -> str:
        """Its source, what is taken from it and what is left out, in Markdown."""
        return self._read("md")

    def _read(self, ending: str) -> str:
        return (files(__name__) / f"{self.name}.{ending}").read_text("utf-8")


_ALL: Final = (
    Preset(
        "frontier-lab",
        "labs slow down together and pause by vote, on indicators of how far AI builds AI",
        "parties and owners, then the thresholds of the two levels, then who may vote",
    ),
    Preset(
        "miri-2025",
        "the draft international agreement of MIRI, November 2025: a standing limit on training",
        "parties and their sites, then start; the draft fixes the thresholds",
    ),
    Preset(
        "eu-us-threshold",
        "the compute thresholds of European and American law: reports and answers, nothing stops",
        "providers and authorities, then the clocks of silence",
    ),
    Preset(
        "two-lab-bilateral",
        "two labs stop together, each bound while the other keeps it; nothing is measured",
        "the two labs and their sources of evidence, then the notice of withdrawal",
    ),
)

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType({preset.name: preset for preset in _ALL})
"""All presets by name."""
