"""Texts that tests start from, and how they are changed."""

from __future__ import annotations

from typing import Final

FRONTIER: Final = """# All parties are fictitious. All times are UTC.
agreement "frontier-pause" {
  language = 1   cite = "ours"                     # version of this text language, not of the agreement
  start = 2027-01-03T00:00Z   period = 1 h   publish_within = 15 min
  late = 2 h   stale = 6 h   presumed_non_compliant = 24 h
  founding = [alpha, beta, gamma, chipco, gridco, evalco, board, vera]   forming_end = 30 d
  baseline = 90 d   pledge_notice = 2 d   chip_table = preset

  unit "H100e" { equals = 989 TFLOP/s   format = bf16_dense }

  party alpha  { role = lab         owner = "Alpha Holding"   counts_with = ["Alpha Cloud"]   keys = pending
                 capacity = 20_000 H100e }
  party beta   { role = lab         owner = "Beta Inc"        keys = pending }
  party gamma  { role = lab         owner = "Gamma KK"        keys = pending }
  party chipco { role = supplier    owner = "Chipco"          keys = pending }
  party gridco { role = meter       owner = "Gridco"          keys = pending }
  party evalco { role = evaluator   owner = "Evalco Trust"    keys = pending }
  party vera   { role = verifier    owner = "University A"    keys = pending }
  party board  { role = council     owner = "the parties"     keys = pending
    seats public { count = 3   keys = pending }   seats lab_votes { held_by = [alpha, beta, gamma] } }

  class lab_seats { held_by = [alpha, beta, gamma] }
  class public    { held_by = ["board.public"] }

  indicator task_horizon { unit = min   reported_by = [evalco]   max_age = 90 d   plan_committed = 14 d }
  indicator ai_code_share { unit = ppm   reported_by = subject   confirmed_by = evalco   max_age = 90 d }
  indicator training_speedup { unit = x   reported_by = [evalco]   max_age = 90 d }
  indicator training_compute { unit = FLOP   reported_by = subject   max_age = 90 d }
  event control_review { reported_by = [evalco]   max_age = 90 d }

  level slowdown { rank = 1   binds = by_pledge   called_by = automatic   lifted_by = lift_pause
    trigger = at least 2 of [ task_horizon of any lab >= 24 h, ai_code_share of at least 2 labs >= 90 %,
                              training_speedup of any lab overdue for 120 d ]
    resume  = all bound keep slowdown for 30 d and since in_force >= 60 d
    allow   = everything
    caps { training_run = 3e25 FLOP   training_total = 50 % of baseline per 30 d
           cluster = 20_000 chips   inventory_growth = 5 % per 90 d }
    wind_down = 7 d   ramp = [50 % after 0 d, 100 % after 14 d]   sunset = 12 months   renewed_by = call_pause }

  level pause { rank = 2   binds = by_pledge   called_by = call_pause   lifted_by = lift_pause   snap_back = yes
    trigger = any [ task_horizon of any lab >= 40 h falling 10 % per 90 d to 24 h,   # algorithmic progress
                    doubling of task_horizon of any lab over 365 d <= 60 d ]
    entry   = at least 2 of { alpha, beta, gamma } keep pause
    resume  = all [ all bound keep pause for 30 d, since in_force >= 90 d, event control_review reported by evalco ]
    allow   = [inference, maintenance, idle, off]
    exempt safety { labels = [safety]  cap = 1e24 FLOP per 30 d  sampled = 10 % }
    caps { training_total = 0 FLOP }
    wind_down = 24 h   seal_checkpoints = 6 h   ramp = 21 d   sunset = never }

  rule call_pause { yes = 2 of lab_seats and 2 of public   open = 72 h   recused = subject }
  rule lift_pause { yes = 2 of board.lab_votes and 2 of public   open = 10 d }

  brake      { by = [lab, verifier]   level = pause   lasts = 72 h   ratified_by = call_pause   rest = 30 d
               longest = 9 d }
  standing   { held_by = lift_pause }
  membership { admitted_by = call_pause   novice = 7 d   withdrawal_notice = 6 months }
  verification { significant_quantity = 1e24 FLOP   counted_in = bf16_dense   window = 30 d
    detection = 90 %   false_alarm = 5 % per 90 d   dishonest_sources = 1   dishonest_verifiers = 0
    required = [attestation, energy, meter, shipments, halt]   clarification_answer = 5 d }
}
"""

PLEDGE: Final = """pledge {                                        # on what terms Beta is bound
  by = beta   until = 2028-03-31
  keep slowdown { when = task_horizon of any lab >= 20 h or slowdown is called
                  provided = at least 1 of { alpha, gamma } keep slowdown }
  keep pause    { when = pause is called
                  provided = all [ alpha keeps pause, at least 1 of { gamma, delta } keep pause ] }
}
"""


def changed(text: str, old: str, new: str) -> str:
    """The text with one passage replaced, which must be there."""
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)
