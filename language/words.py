"""The words for the closed lists of the wire. A word has one value; of several words the first is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2 as condition
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLES: Final[Mapping[str, int]] = {
    "lab": pb.ROLE_LAB,
    "supplier": pb.ROLE_SUPPLIER,
    "meter": pb.ROLE_METER,
    "evaluator": pb.ROLE_EVALUATOR,
    "verifier": pb.ROLE_VERIFIER,
    "council": pb.ROLE_COUNCIL,
    "operator": pb.ROLE_OPERATOR,
    "inspector": pb.ROLE_INSPECTOR,
}
LABELS: Final[Mapping[str, int]] = {
    "train": q.LABEL_TRAIN,
    "post_train": q.LABEL_POST_TRAIN,
    "rollout": q.LABEL_ROLLOUT,
    "inference": q.LABEL_INFERENCE,
    "eval": q.LABEL_EVAL,
    "safety": q.LABEL_SAFETY,
    "maintenance": q.LABEL_MAINTENANCE,
    "idle": q.LABEL_IDLE,
    "off": q.LABEL_OFF,
    "unlabelled": q.LABEL_UNLABELLED,
    "unaccounted": q.LABEL_UNACCOUNTED,
}
FORMATS: Final[Mapping[str, int]] = {
    "bf16_dense": q.NUMBER_FORMAT_BF16_DENSE,
    "fp16_dense": q.NUMBER_FORMAT_BF16_DENSE,
    "fp8_dense": q.NUMBER_FORMAT_FP8_DENSE,
}
COMPARE: Final[Mapping[str, int]] = {
    "point": pb.COMPARE_UNSPECIFIED,
    "lower": pb.COMPARE_LOWER,
    "upper": pb.COMPARE_UPPER,
}
BINDS: Final[Mapping[str, int]] = {"everyone": pb.BINDS_EVERYONE, "by_pledge": pb.BINDS_BY_PLEDGE}
SCOPES: Final[Mapping[str, int]] = {
    "lab": pb.CAP_SCOPE_UNSPECIFIED,
    "run": pb.CAP_SCOPE_RUN,
    "cluster": pb.CAP_SCOPE_CLUSTER,
    "inventory": pb.CAP_SCOPE_INVENTORY_GROWTH,
}
RELEASE: Final[Mapping[str, int]] = {"unless_held": pb.RELEASE_UNSPECIFIED, "on_vote": pb.RELEASE_ON_VOTE}
NO_ANSWER: Final[Mapping[str, int]] = {
    "inconclusive": pb.NO_ANSWER_UNSPECIFIED,
    "discrepant": pb.NO_ANSWER_DISCREPANT,
}
EVIDENCE: Final[Mapping[str, int]] = {
    "attestation": pb.EVIDENCE_ATTESTATION,
    "energy": pb.EVIDENCE_ENERGY,
    "meter": pb.EVIDENCE_METER,
    "shipments": pb.EVIDENCE_SHIPMENTS,
    "halt": pb.EVIDENCE_HALT,
    "inspection": pb.EVIDENCE_INSPECTION,
    "tenancy": pb.EVIDENCE_TENANCY,
    "network": pb.EVIDENCE_NETWORK,
    "hardware": pb.EVIDENCE_HARDWARE,
}
CHANNELS: Final[Mapping[str, int]] = {
    "false_hours": pb.CHANNEL_FALSE_HOURS,
    "away": pb.CHANNEL_AWAY,
    "undeclared": pb.CHANNEL_UNDECLARED,
    "rented": pb.CHANNEL_RENTED,
}
YES_NO: Final[Mapping[str, int]] = {"yes": 1, "no": 0}
SUBJECT: Final[Mapping[str, int]] = {"subject": 1, "nobody": 0}
APPROVED: Final[Mapping[str, int]] = {"approved": 1, "refused": 0}
POWER_OFF: Final[Mapping[str, int]] = {"power_off": 1}

PHASES: Final[Mapping[str, condition.Phase.ValueType]] = {
    "open": condition.PHASE_OPEN,
    "dormant": condition.PHASE_CALLED,
    "winding": condition.PHASE_WINDING,
    "in_force": condition.PHASE_IN_FORCE,
    "ramping": condition.PHASE_RAMPING,
    "suspended": condition.PHASE_SUSPENDED,
}
PHASE_SETS: Final[Mapping[str, tuple[condition.Phase.ValueType, ...]]] = {
    # A call stays called while it takes effect: as a single phase it would end when winding down begins.
    "called": (
        condition.PHASE_CALLED,
        condition.PHASE_WINDING,
        condition.PHASE_IN_FORCE,
        condition.PHASE_SUSPENDED,
    ),
    "restrictive": (condition.PHASE_WINDING, condition.PHASE_IN_FORCE),
}
CLOCKS: Final[Mapping[str, condition.Since.ValueType]] = {
    "winding": condition.SINCE_UNSPECIFIED,
    "in_force": condition.SINCE_IN_FORCE,
    "opened": condition.SINCE_OPENED,
    "entry": condition.SINCE_ENTRY,
}
STATUS: Final[Mapping[str, condition.PartyStatus.ValueType]] = {
    "honored": condition.PARTY_STATUS_CONFIRMED,
    "inconclusive": condition.PARTY_STATUS_INCONCLUSIVE,
    "discrepant": condition.PARTY_STATUS_DISCREPANT,
    "breached": condition.PARTY_STATUS_BREACHED,
    "stale": condition.PARTY_STATUS_STALE,
    "presumed_non_compliant": condition.PARTY_STATUS_PRESUMED,
    "relied_on": condition.PARTY_STATUS_RELIED,
    "accused": condition.PARTY_STATUS_ACCUSED,
    "out": condition.PARTY_STATUS_OUT,
    "bound": condition.PARTY_STATUS_BOUND,
    "taking_part": condition.PARTY_STATUS_TAKES_PART,
}

LISTS: Final[Mapping[str, Mapping[str, int]]] = {
    "roles": ROLES,
    "labels": LABELS,
    "formats": FORMATS,
    "compare": COMPARE,
    "binds": BINDS,
    "scopes": SCOPES,
    "release": RELEASE,
    "no_answer": NO_ANSWER,
    "evidence": EVIDENCE,
    "channels": CHANNELS,
    "yes_no": YES_NO,
    "subject": SUBJECT,
    "approved": APPROVED,
    "power_off": POWER_OFF,
}
"""The lists that keys take their words from, by the name that the key table gives them."""

RESERVED: Final = frozenset(
    {
        *(
            "all",
            "any",
            "not",
            "and",
            "or",
            "of",
            "per",
            "after",
            "over",
            "for",
            "since",
            "motion",
            "event",
            "on",
            "carried",
        ),
        *(
            "always",
            "never",
            "overdue",
            "to",
            "keep",
            "keeps",
            "is",
            "are",
            "by",
            "ceiling",
            "falling",
            "rising",
            "whenever",
        ),
        *("subject", "nobody", "automatic", "everything", "pending", "preset", "none", "at", "reported", "doubling"),
    }
)
"""Words that a name has to be put in quotation marks to be."""


def word_of(words: Mapping[str, int], value: int) -> str:
    """The word that is written for a value."""
    return next(word for word, known in words.items() if known == value)
