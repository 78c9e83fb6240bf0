"""Labs that do one thing and declare another, with what honest instruments then show of them.

Everything is drawn from a seed: the conduct, the errors of the meters, the draw of the challenges. What a lab really
trains in secret is known here, so that it can be held against the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bound.evidence import Challenges, ChipTable, Evidence, Group, Meter, Mode, Rented, Site, Stock, Window, Work

HOUR: Final = 3_600
CHIP: Final = "H100"
SERVING, IDLE, OFF = 0, 1, 2
MODES: Final = (
    Mode("off", 0, 0),
    Mode("eco", 450_000, 620_000),
    Mode("full", 600_000, 1_000_000),
    Mode("hot", 1_000_000, 1_000_000),
    Mode("burn", 1_000_000, 0),
    Mode("away", 0, 1_000_000),
)
"""The corners of the annex: milliwatts and gigaFLOP per second of an H100 with its share of the node."""
GROUPS: Final = (Group("serving", 300_000, 900_000), Group("idle", 140_000, 250_000), Group("off", 0, 0))
TABLE: Final = ChipTable(CHIP, MODES, GROUPS)
_HONEST_MW: Final = np.array([620_000, 200_000, 0])
_TRAINING_MW: Final = 700_000
_TRAINING_RATE: Final = 420_000
"""A real run: 0.7 kW for 42 % of the dense peak."""

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Instruments:
    """How good honest instruments are.

    Attributes:
        random_ppm: relative sigma of the noise of one reading.
        systematic_ppm: relative sigma of a meter's gain.
        pue_milli: ends of the overhead factor.
        drawn: challenges in the window.
        catch_ppm: chance that a challenged false instant is caught.
    """

    random_ppm: int = 5_000
    systematic_ppm: int = 2_000
    pue_milli: tuple[int, int] = (1_070, 1_090)
    drawn: int = 400
    catch_ppm: int = 900_000


@dataclass(slots=True)
class Conduct:
    """What a lab declares and what it does, chips by site, period (and group).

    Attributes:
        declared: under each group, shape (sites, periods, groups).
        honest: of those, really at that work.
        drawn_mw: power of everything that is not honest work, milliwatts, shape (sites, periods).
        trained: covert training, gigaFLOP per second, shape (sites, periods).
        hidden: undeclared accelerators in use, shape (sites, periods).
    """

    declared: Floats
    honest: Floats
    drawn_mw: Floats
    trained: Floats
    hidden: Floats

    @classmethod
    def of(cls, declared: Floats) -> Conduct:
        """Everything is as declared."""
        sites, periods, _ = declared.shape
        nothing = np.zeros((sites, periods))
        return cls(declared, declared.copy(), nothing.copy(), nothing.copy(), nothing.copy())

    def divert(self, group: int, chips: Floats | float, mw: float, rate: float) -> None:
        """Let chips that are declared under a group do something else."""
        taken = np.minimum(np.broadcast_to(chips, self.drawn_mw.shape), self.honest[:, :, group])
        self.honest[:, :, group] -= taken
        self.drawn_mw += taken * mw
        self.trained += taken * rate

    def hide(self, chips: Floats | float, *, metered: bool = True) -> None:
        """Train on accelerators that nobody declared."""
        used = np.broadcast_to(chips, self.hidden.shape)
        self.hidden += used
        self.trained += used * _TRAINING_RATE
        if metered:
            self.drawn_mw += used * _TRAINING_MW

    @property
    def false_seconds(self) -> float:
        """Chip-seconds declared falsely, and those of undeclared accelerators."""
        return float((self.declared - self.honest).sum() + self.hidden.sum()) * HOUR


def plan(rng: np.random.Generator, sites: int, periods: int) -> Floats:
    """What a paused lab declares: some serving, some idle, the rest off."""
    fleet = rng.integers(400, 4_000, sites)[:, None] * np.ones(periods)
    serving = fleet * rng.uniform(0.0, 0.6, (sites, 1))
    idle = (fleet - serving) * rng.uniform(0.0, 0.3, (sites, 1))
    declared: Floats = np.stack([np.floor(serving), np.floor(idle), np.ceil(fleet - serving - idle)], axis=2)
    return declared


def _share(rng: np.random.Generator, conduct: Conduct) -> Floats:
    """Chips to divert at each site: 0.2 to 10 % of its fleet."""
    chips: Floats = conduct.declared.sum(axis=2) * np.exp(rng.uniform(np.log(0.002), np.log(0.1)))
    return chips


def _honest(rng: np.random.Generator, conduct: Conduct) -> None:
    del rng, conduct


def _mislabelled(rng: np.random.Generator, conduct: Conduct) -> None:
    conduct.divert(SERVING, _share(rng, conduct), _TRAINING_MW, _TRAINING_RATE)


def _displaced(rng: np.random.Generator, conduct: Conduct) -> None:
    # At the power of the serving that it displaces, so that no meter moves.
    conduct.divert(SERVING, _share(rng, conduct), _HONEST_MW[SERVING], _TRAINING_RATE * 0.9)


def _leak_in_idle(rng: np.random.Generator, conduct: Conduct) -> None:
    conduct.divert(IDLE, _share(rng, conduct) / 10, _TRAINING_MW, _TRAINING_RATE)


def _running_off(rng: np.random.Generator, conduct: Conduct) -> None:
    conduct.divert(OFF, _share(rng, conduct), 450_000, 620_000)


def _switched_off_to_hide(rng: np.random.Generator, conduct: Conduct) -> None:
    chips = _share(rng, conduct) / 4
    conduct.divert(IDLE, chips, _TRAINING_MW, _TRAINING_RATE)
    conduct.divert(IDLE, chips * (_TRAINING_MW / _HONEST_MW[IDLE] - 1), 0.0, 0.0)


def _burst(rng: np.random.Generator, conduct: Conduct) -> None:
    periods = conduct.hidden.shape[1]
    start = rng.integers(0, periods - 3)
    during = np.zeros(periods)
    during[start : start + 3] = 10.0
    conduct.divert(OFF, _share(rng, conduct) * during, _TRAINING_MW, _TRAINING_RATE)


def _hidden(rng: np.random.Generator, conduct: Conduct) -> None:
    conduct.hide(rng.uniform(0, 1) * STOCK / conduct.hidden.shape[0])


def _fed_by_false_serving(rng: np.random.Generator, conduct: Conduct) -> None:
    chips = rng.uniform(0, 1) * STOCK / conduct.hidden.shape[0]
    conduct.hide(chips)
    conduct.divert(SERVING, chips * _TRAINING_MW / _HONEST_MW[SERVING], 0.0, 0.0)


def _elsewhere(rng: np.random.Generator, conduct: Conduct) -> None:
    conduct.hide(rng.uniform(0, 1) * STOCK / conduct.hidden.shape[0], metered=False)


def _all_at_once(rng: np.random.Generator, conduct: Conduct) -> None:
    for act in (_displaced, _leak_in_idle, _running_off, _fed_by_false_serving):
        act(rng, conduct)


STOCK: Final = 60
"""Undeclared accelerators that the suppliers' reports leave open."""
BEHAVIOURS: Final = {
    "honest": _honest,
    "mislabelled": _mislabelled,
    "displaced at equal power": _displaced,
    "leak in idle": _leak_in_idle,
    "running chips declared off": _running_off,
    "idle chips switched off to hide training": _switched_off_to_hide,
    "burst": _burst,
    "hidden chips": _hidden,
    "false serving that feeds hidden chips": _fed_by_false_serving,
    "off site": _elsewhere,
    "all at once": _all_at_once,
}


@dataclass(frozen=True, slots=True)
class Seeded:
    """A case with its truth.

    Attributes:
        evidence: what is known.
        covert: what was trained in secret, teraFLOP.
        false_seconds: chip-seconds declared falsely or not at all.
    """

    evidence: Evidence
    covert: float
    false_seconds: float


def seeded(
    behaviour: str, seed: int, *, sites: int = 3, periods: int = 28, instruments: Instruments | None = None
) -> Seeded:
    """A lab, its conduct, and what instruments showed of it; the same for the same arguments."""
    rng = np.random.default_rng([seed, *behaviour.encode()])
    conduct = Conduct.of(plan(rng, sites, periods))
    BEHAVIOURS[behaviour](rng, conduct)
    shown = observe(rng, conduct, instruments or Instruments())
    return Seeded(shown, float(conduct.trained.sum()) * HOUR / 1_000, conduct.false_seconds)


def observe(rng: np.random.Generator, conduct: Conduct, tools: Instruments) -> Evidence:
    """What meters, inspectors and suppliers report of a conduct."""
    sites, periods, _ = conduct.declared.shape
    drawn = (conduct.honest * _HONEST_MW).sum(axis=2) + conduct.drawn_mw
    pue = rng.uniform(*tools.pue_milli, (sites, periods)) / 1_000
    gain = 1 + tools.systematic_ppm / 1e6 * rng.standard_normal((sites, 1))
    noise = 1 + tools.random_ppm / 1e6 * rng.standard_normal((sites, periods))
    read = np.rint(drawn * HOUR * pue * gain * noise).astype(np.int64)
    declared = (conduct.declared * HOUR).astype(np.int64)
    found = tuple(
        Site(
            name=f"site-{number}",
            work=(Work(CHIP, declared[number]),),
            meter=Meter(f"grid-{number}", number + 1, read[number], tools.random_ppm, tools.systematic_ppm),
            pue_low_milli=tools.pue_milli[0],
            pue_high_milli=tools.pue_milli[1],
            located=True,
            visible_chips={},
        )
        for number in range(sites)
    )
    return Evidence(
        window=Window(np.full(periods, HOUR), np.arange(0, periods, 7)),
        classes={CHIP: TABLE},
        sites=found,
        stock=(Stock(CHIP, frozenset({"chipco"}), np.full(periods, STOCK)),),
        rented=(Rented(CHIP, frozenset({"cloudco"}), 0),),
        challenges=_challenged(rng, conduct, tools),
        risk_ppb=50_000_000,
    )


def _challenged(rng: np.random.Generator, conduct: Conduct, tools: Instruments) -> tuple[Challenges, ...]:
    if not tools.drawn:
        return ()
    fleet = conduct.declared.sum(axis=(1, 2))
    numbers = np.rint(tools.drawn * fleet / fleet.sum()).astype(int)
    false = (conduct.declared - conduct.honest).sum(axis=(1, 2)) / fleet
    caught = int(rng.binomial(numbers, false * tools.catch_ppm / 1e6).sum())
    drawn = {(f"site-{number}", CHIP): int(count) for number, count in enumerate(numbers)}
    return (Challenges("inspectors", 1, drawn, caught, 0, tools.catch_ppm),)
