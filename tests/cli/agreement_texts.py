"""A small agreement in the language, and its parties."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from google.protobuf import text_format

from standstill.v1 import agreement_pb2 as pb
from tests.terms import party

SMALL: Final = """\
# Two labs and a verifier.
agreement "small" {
  language = 1
  start = 2027-01-03T00:00Z
  period = 1 h
  founding = [alpha, beta, vera]

  party alpha { role = lab owner = "alpha group" keys = pending }
  party beta { role = lab owner = "beta group" keys = pending }
  party gridco { role = meter owner = "gridco group" keys = pending }
  party vera { role = verifier owner = "vera group" keys = pending }

  indicator horizon { means = "length of task" unit = min reported_by = [alpha, beta, gridco] max_age = 30 d }

  level pause {
    binds = by_pledge
    called_by = both
    trigger = horizon of any lab >= 40 h
    resume = since winding >= 10 d
    lifted_by = both
    allow = [inference, maintenance, idle, off]
    wind_down = 24 h
    ramp = 14 d
    sunset = 6 months
  }

  rule both { yes = 2 voters = [alpha, beta] open = 7 d }

  standing { silence_out = 0 d }
  membership { withdrawal_notice = 3 months }
  verification {
    significant_quantity = 1e24 FLOP
    window = 30 d
    false_alarm = 100 ppm
    dishonest_verifiers = 0
    required = [attestation]
  }
}
"""

PLEDGE: Final = """\
pledge {
  by = alpha
  keep pause {
    when = pause is called
    provided = beta keeps pause
  }
}
"""

ROLES: Final = {
    "alpha": pb.ROLE_LAB,
    "beta": pb.ROLE_LAB,
    "gridco": pb.ROLE_METER,
    "vera": pb.ROLE_VERIFIER,
}


def write_parties(directory: Path) -> list[str]:
    """Options that name a descriptor for each party of :data:`SMALL`."""
    options = []
    for name, role in ROLES.items():
        path = directory / f"{name}.txtpb"
        path.write_text(text_format.MessageToString(party(name, role)))
        options += ["--party", str(path)]
    return options


def write_small(directory: Path, text: str = SMALL) -> Path:
    """The text in a file."""
    path = directory / "small.agreement"
    path.write_text(text)
    return path
