"""The one way in which the protocol says no.

A rule that is broken raises :class:`Refused` with a :class:`Reason`, the field that broke it and a sentence for people.
Reasons are the named errors of the specification: stable, language-neutral, and what tests and other implementations
compare. A new rule adds one member here, in the section of the layer that owns it, and raises it in one place.

    Refused
    └── reason: Reason        which rule (stable)
        field:  str           dotted path of the offending field, as in the .proto files
        detail: str           expected and found, for people
"""

from __future__ import annotations

import re
from enum import StrEnum, auto, unique


class _Upper(StrEnum):
    """A string enumeration whose value is its own name."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        return name


@unique
class Reason(_Upper):
    """Every named error of the protocol, in the order of its layers."""

    # wire
    MESSAGE_TOO_LARGE = auto()
    MESSAGE_MALFORMED = auto()
    MESSAGE_NOT_CANONICAL = auto()
    DIGEST_LENGTH = auto()

    # keys and signatures
    KEY_LENGTH = auto()
    KEY_NOT_CANONICAL = auto()
    KEY_SMALL_ORDER = auto()
    KEY_NOT_PRIME_ORDER = auto()
    SIGNATURE_LENGTH = auto()
    SIGNATURE_NOT_CANONICAL = auto()
    SIGNATURE_SMALL_ORDER = auto()
    SIGNATURE_INVALID = auto()
    KEY_REUSED = auto()

    # envelope (DSSE)
    ENVELOPE_UNSIGNED = auto()
    ENVELOPE_SIGNATURES = auto()
    PAYLOAD_TYPE_EMPTY = auto()
    PAYLOAD_TYPE_UNKNOWN = auto()
    THRESHOLD_NOT_MET = auto()
    THRESHOLD_OUT_OF_RANGE = auto()
    COMMITMENT_MISMATCH = auto()
    SALT_LENGTH = auto()

    # tree and proofs (RFC 6962)
    HASH_LENGTH = auto()
    INDEX_OUT_OF_RANGE = auto()
    PROOF_LENGTH = auto()
    ROOT_MISMATCH = auto()
    SIZE_ORDER = auto()
    FRONTIER_MALFORMED = auto()
    TILE_MALFORMED = auto()
    TILE_WIDTH = auto()
    TILE_PATH = auto()
    TILE_CONFLICT = auto()
    BUNDLE_MALFORMED = auto()
    CERTIFICATE_MALFORMED = auto()
    ENTRY_TOO_LARGE = auto()

    # notes, checkpoints, cosignatures (C2SP)
    NOTE_MALFORMED = auto()
    NOTE_TOO_LARGE = auto()
    NOTE_UNVERIFIED = auto()
    VKEY_MALFORMED = auto()
    VKEY_AMBIGUOUS = auto()
    KEY_ID_MISMATCH = auto()
    SIGNATURE_TYPE = auto()
    CHECKPOINT_MALFORMED = auto()
    EXTENSION_LINE = auto()
    ORIGIN_MISMATCH = auto()
    COSIGNATURE_TIME = auto()
    WITNESS_IS_LOG = auto()
    QUORUM_OUT_OF_RANGE = auto()
    QUORUM_NOT_MET = auto()
    TLOG_PROOF_MALFORMED = auto()
    TLOG_PROOF_TOO_LARGE = auto()
    TLOG_PROOF_VERSION = auto()

    # witness
    OLD_SIZE_TOO_LARGE = auto()
    UNKNOWN_ORIGIN = auto()
    NO_TRUSTED_SIGNATURE = auto()
    BAD_SIGNATURE = auto()
    SIZE_CONFLICT = auto()
    INCONSISTENT = auto()
    UNEXPECTED_PROOF = auto()
    REQUEST_MALFORMED = auto()
    REQUEST_TOO_LARGE = auto()
    RESPONSE_MALFORMED = auto()
    EQUIVOCATION = auto()
    ROLLED_BACK = auto()

    # agreement
    VERSION_UNKNOWN = auto()
    FIELD_ABSENT = auto()
    VALUE_OUT_OF_RANGE = auto()
    NAME_MALFORMED = auto()
    NAME_TWICE = auto()
    NAME_UNKNOWN = auto()
    KEY_TWICE = auto()
    KEY_COUNT = auto()
    ROLE_MISSING = auto()
    LABEL_UNKNOWN = auto()
    LABEL_TWICE = auto()
    LABEL_MISSING = auto()
    CONDITION_MALFORMED = auto()
    CONDITION_NEVER_TRUE = auto()
    CONDITION_NEVER_FALSE = auto()
    QUORUM_CANNOT_BE_MET = auto()
    LEVELS_DO_NOT_RISE = auto()
    CLOCKS_CONTRADICT = auto()
    EVIDENCE_HAS_NO_SOURCE = auto()
    SOURCE_NOT_INDEPENDENT = auto()
    RULES_CONTRADICT = auto()
    BRAKE_NOT_AGREED = auto()
    SEAT_UNKNOWN = auto()

    # leaf and header
    LEAF_WITHHELD = auto()
    KIND_UNKNOWN = auto()
    WRONG_AGREEMENT = auto()
    WRONG_LOG = auto()
    WRONG_AUTHOR = auto()
    SEQUENCE_MISMATCH = auto()
    PREVIOUS_MISMATCH = auto()
    AUDIENCE_MISMATCH = auto()
    PERIOD_UNEXPECTED = auto()
    SITE_UNKNOWN = auto()
    SUMMARY_UNEXPECTED = auto()
    KEY_NOT_IN_FORCE = auto()
    KEY_REVOKED = auto()

    # bodies
    QUANTITY_ABSENT = auto()
    QUANTITY_OUT_OF_RANGE = auto()
    UNIT_MISMATCH = auto()
    BASIS_UNKNOWN = auto()
    UNCERTAINTY_OUT_OF_RANGE = auto()
    FORMAT_UNKNOWN = auto()
    CHIP_CLASS_UNKNOWN = auto()
    PERIOD_MISMATCH = auto()
    ROW_TWICE = auto()
    ORDER_MISMATCH = auto()
    PLEDGE_NOT_MONOTONE = auto()
    MISBEHAVIOR_UNPROVEN = auto()
    PLAN_NOT_COMMITTED = auto()
    SERIAL_REUSED = auto()
    SEAT_SIGNATURE = auto()

    # authority and fold
    NOT_IN_FORCE = auto()
    NO_AUTHORITY = auto()
    KEY_SET_VERSION = auto()
    PERIOD_OVERLAP = auto()
    EPISODE_MISMATCH = auto()
    PLEDGE_STILL_RUNS = auto()
    BRAKE_RESTS = auto()
    PHASE_MISMATCH = auto()
    INQUIRY_UNKNOWN = auto()
    INQUIRY_LIMIT = auto()
    LIMIT_REACHED = auto()
    ACCESSION_DUE = auto()
    ORIGIN_REUSED = auto()
    AMENDMENT_PARTS = auto()
    AMENDMENT_CHANGES_IDENTITY = auto()
    AMENDMENT_MOVES_LEVEL = auto()
    AMENDMENT_CHANGES_TIME = auto()
    VERIFIERS_CHANGE = auto()
    MEMBERSHIP_CHANGED = auto()
    CLOSING_NOT_NEXT = auto()
    STATE_DIFFERS = auto()
    STATE_MALFORMED = auto()

    # bundle
    MEDIA_TYPE_UNKNOWN = auto()
    BUNDLE_INCOMPLETE = auto()
    TRUST_ROOT_MISMATCH = auto()
    ASSESSMENT_DIFFERS = auto()
    BOUND_DIFFERS = auto()
    NOT_ASSESSED = auto()
    TOO_MANY_WATCHERS = auto()
    WATCHER_TOO_SLOW = auto()

    # daemons: clock, secrets, store
    CLOCK_UNREADABLE = auto()
    CLOCK_WENT_BACK = auto()
    SECRET_ABSENT = auto()
    SECRET_EXISTS = auto()
    SECRET_EXPOSED = auto()
    SECRET_MALFORMED = auto()
    STORE_ABSENT = auto()
    STORE_EXISTS = auto()
    STORE_VERSION = auto()
    STORE_IN_USE = auto()
    STORE_UNAVAILABLE = auto()
    STORE_DAMAGED = auto()
    STORE_BEHIND = auto()
    STORE_IS_MIRROR = auto()
    HEAD_CONFLICT = auto()
    KEY_NOT_AGREED = auto()
    NOT_FOUNDED = auto()

    # calls
    ADDRESS_IN_USE = auto()
    DEADLINE_REQUIRED = auto()
    DEADLINE_TOO_LONG = auto()
    CALLER_UNKNOWN = auto()
    AUDIENCE_TOO_LOW = auto()
    CHECKPOINT_ABSENT = auto()
    BEYOND_CHECKPOINT = auto()

    # what a party is about to say (node)
    DRAFT_MALFORMED = auto()
    PERIOD_NOT_ENDED = auto()
    PERIOD_NOT_COLLECTED = auto()

    # a lab's own records (node/collect)
    TRACE_OPTION = auto()
    TRACE_UNREADABLE = auto()
    TRACE_TOO_LARGE = auto()
    TRACE_GZIP_DAMAGED = auto()
    TRACE_EMPTY = auto()
    TRACE_NOT_UTF8 = auto()
    TRACE_NUL_BYTE = auto()
    TRACE_JSON_MALFORMED = auto()
    TRACE_FORMAT_UNKNOWN = auto()
    TRACE_COLUMN_DUPLICATE = auto()
    TRACE_COLUMN_MISSING = auto()
    TRACE_COLUMN_UNKNOWN = auto()
    TRACE_FIELD_COUNT = auto()
    TRACE_QUOTING = auto()
    TRACE_NOT_A_NUMBER = auto()
    TRACE_NEGATIVE = auto()
    TRACE_FRACTION = auto()
    TRACE_OVERFLOW = auto()
    TRACE_TIME_MALFORMED = auto()
    TRACE_TIME_AMBIGUOUS = auto()
    TRACE_TIME_NONEXISTENT = auto()
    TRACE_TIME_UNKNOWN = auto()
    TRACE_TIMES_DISAGREE = auto()
    TRACE_ENDS_BEFORE_START = auto()
    TRACE_NOT_ALIGNED = auto()
    TRACE_SPAN = auto()
    TRACE_LABEL_UNKNOWN = auto()
    TRACE_BASIS_UNKNOWN = auto()
    TRACE_CHIP_CLASS_UNKNOWN = auto()
    TRACE_CHIPS_DISAGREE = auto()
    TRACE_DUPLICATE_ROW = auto()
    TRACE_NO_USABLE_ROWS = auto()
    MAPPING_UNREADABLE = auto()
    MAPPING_MALFORMED = auto()
    MAPPING_KEY_UNKNOWN = auto()
    MAPPING_VALUE = auto()


class Refused(Exception):
    """A rule of the protocol is broken.

    Attributes:
        reason: the named error.
        field: dotted path of the offending field; empty where the whole object is meant.
        detail: what was expected and what was found.
    """

    def __init__(self, reason: Reason, field: str = "", detail: str = "") -> None:
        self.reason = reason
        self.field = field
        self.detail = detail
        where = f" {field}" if field else ""
        super().__init__(f"{reason}{where}: {detail}" if detail else f"{reason}{where}")


def require(condition: bool, reason: Reason, field: str = "", detail: str = "") -> None:
    """Raise :class:`Refused` unless `condition` holds; one call is one rule."""
    if not condition:
        raise Refused(reason, field, detail)


_WRITTEN = re.compile(r"(?P<reason>[A-Z_]+)(?: (?P<field>[^:]*))?(?:: (?P<detail>.*))?", re.DOTALL)


def refusal_from(text: str) -> Refused:
    """The refusal that a stored text, `str` of one, stands for."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError(f"not the text of a refusal: {text!r}")
    return Refused(Reason(written["reason"]), written["field"] or "", written["detail"] or "")
