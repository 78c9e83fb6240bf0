"""`mapping.toml`: which work has which label, and which GRES type is which chip class.

    version = 3
    default = "unlabelled"                          # what no rule matches; counts as training
    held = "elapsed + suspended"                    # or "elapsed"
    chips = { "gpu:h100" = "H100-SXM" }             # GRES type, or chip name of a job table -> class of the chip table
    outside = [{ nodes = "dev[01-04]", label = "unlabelled", chips = 32, chip_class = "H100-SXM" }]
    rule = [{ label = "safety", account = "safety-*", exemption = "safety" },
            { label = "train", partition = ["train", "long"] }]

The first rule that matches wins; within a rule every field must match, within a field any of its patterns (shell
wildcards, case matters). `exemption` names the exemption of the terms under which the work of a rule counts. The digest
of the file's bytes stands in every attestation.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from node.collect.figures import LABELS, MAX_QUANTITY, JobRecord
from protocol.errors import Reason, Refused, require

ADMIN_FIELDS: Final = ("partition", "account", "qos", "reservation", "state")
"""Fields that administrators or the scheduler set."""

USER_FIELDS: Final = ("name", "comment", "wckey", "type")
"""Fields that users set, or that were inferred from such: a share labelled by them is *estimated*."""

HELD_POLICIES: Final = ("elapsed + suspended", "elapsed")
"""Whether chips of a suspended job count as held. They stay allocated, so they do unless the file says otherwise."""

_KEYS: Final = ("version", "default", "held", "chips", "outside", "rule")
_OUTSIDE_KEYS: Final = ("nodes", "label", "chips", "chip_class")
_RULE_KEYS: Final = ("label", "exemption", *ADMIN_FIELDS, *USER_FIELDS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `label` for the work whose every named field matches one of its patterns."""

    label: str
    patterns: Table[str, Sequence[str]]
    exemption: str = ""

    def matches(self, attributes: Table[str, str]) -> bool:
        """Return whether a record with these attributes falls under the rule; an absent attribute never does."""
        return all(
            any(fnmatchcase(attributes.get(name, ""), pattern) for pattern in patterns) and name in attributes
            for name, patterns in self.patterns.items()
        )

    @property
    def is_user_steerable(self) -> bool:
        """Whether the rule looks at a field that users set."""
        return any(name in USER_FIELDS for name in self.patterns)


@dataclass(frozen=True, slots=True)
class Outside:
    """Chips that the scheduler does not see; `chips` 0 means that their number is not stated here."""

    nodes: str
    label: str
    chips: int = 0
    chip_class: str = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file. The default instance labels nothing and is what holds when there is no file."""

    version: int = 0
    default: str = "unlabelled"
    held: str = HELD_POLICIES[0]
    chips: Table[str, str] = field(default_factory=dict)
    outside: Sequence[Outside] = ()
    rules: Sequence[Rule] = ()
    digest: bytes = b""
    name: str = ""

    def exemption(self, number: int) -> str:
        """Return the exemption that the work of a rule counts under, by the rule's number; empty for none."""
        return self.rules[number - 1].exemption if number else ""

    def label(self, job: JobRecord) -> tuple[str, int]:
        """Return the label of a record and the number of the rule that gave it, from 1; 0 is the default.

        A label that the record itself states stands, under number 0.
        """
        if job.label is not None:
            return job.label, 0
        for number, rule in enumerate(self.rules, start=1):
            if rule.matches(job.attributes):
                return rule.label, number
        return self.default, 0


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        Refused: MAPPING_UNREADABLE, MAPPING_MALFORMED (TOML), MAPPING_KEY_UNKNOWN, MAPPING_VALUE.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(Reason.MAPPING_UNREADABLE, path.name, error.strerror or str(error)) from None
    return parse_mapping(data, path.name)


def parse_mapping(data: bytes, name: str = "mapping.toml") -> Mapping:
    """Read a mapping from the bytes of its file; refusals as for :func:`read_mapping`."""
    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(Reason.MAPPING_MALFORMED, name, str(error)) from None
    _known(document, _KEYS, name)
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise Refused(Reason.MAPPING_VALUE, f"{name}: version", "expected a whole number from 1")
    held = document.get("held", HELD_POLICIES[0])
    _require(held in HELD_POLICIES, f"{name}: held", " or ".join(f'"{policy}"' for policy in HELD_POLICIES))
    return Mapping(
        version=version,
        default=_label(document.get("default", "unlabelled"), f"{name}: default"),
        held=held,
        chips=_chips(document.get("chips", {}), f"{name}: chips"),
        outside=tuple(_outside(item, where) for item, where in _items(document, "outside", name)),
        rules=tuple(_rule(item, where) for item, where in _items(document, "rule", name)),
        digest=hashlib.sha256(data).digest(),
        name=name,
    )


def _require(condition: bool, where: str, expected: str) -> None:
    require(condition, Reason.MAPPING_VALUE, where, f"expected {expected}")


def _known(table: Table[str, object], keys: Collection[str], where: str) -> None:
    for key in table:
        near = difflib.get_close_matches(key, keys, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
        require(key in keys, Reason.MAPPING_KEY_UNKNOWN, where, f'unknown key "{key}"; {hint}')


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_QUANTITY


def _label(value: object, where: str) -> str:
    near = difflib.get_close_matches(str(value), LABELS, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    known = isinstance(value, str) and value in LABELS
    require(known, Reason.TRACE_LABEL_UNKNOWN, where, f'"{value}" is no label of {", ".join(LABELS)}{hint}')
    return str(value)


def _items(document: Table[str, object], key: str, name: str) -> list[tuple[dict[str, object], str]]:
    value = document.get(key, [])
    is_list = isinstance(value, list) and all(isinstance(item, dict) for item in value)
    _require(is_list, f"{name}: {key}", "a list of tables")
    items = value if isinstance(value, list) else []
    return [(item, f"{name}: {key} {number}") for number, item in enumerate(items, start=1)]


def _chips(value: object, where: str) -> dict[str, str]:
    table = value if isinstance(value, dict) else {}
    is_text = all(isinstance(chip_class, str) and chip_class for chip_class in table.values())
    _require(isinstance(value, dict) and is_text, where, 'a table such as { "gpu:h100" = "H100-SXM" }')
    return dict(table)


def _outside(item: dict[str, object], where: str) -> Outside:
    _known(item, _OUTSIDE_KEYS, where)
    nodes, chips, chip_class = item.get("nodes"), item.get("chips", 0), item.get("chip_class", "")
    if not (isinstance(nodes, str) and nodes):
        raise Refused(Reason.MAPPING_VALUE, where, "expected nodes, as a host list")
    if not (isinstance(chips, int) and _is_count(chips) and isinstance(chip_class, str)):
        raise Refused(Reason.MAPPING_VALUE, where, "expected chips as a whole number and chip_class as text")
    _require(chips == 0 or chip_class != "", where, "chip_class beside chips")
    return Outside(nodes, _label(item.get("label"), f"{where}: label"), chips, chip_class)


def _rule(item: dict[str, object], where: str) -> Rule:
    _known(item, _RULE_KEYS, where)
    exemption = item.get("exemption", "")
    if not isinstance(exemption, str):
        raise Refused(Reason.MAPPING_VALUE, f"{where}: exemption", "expected text")
    fields = {key: value for key, value in item.items() if key not in {"label", "exemption"}}
    _require(bool(fields), where, "a field to match; what is left over is the business of default")
    patterns = {key: _patterns(value, f"{where}: {key}") for key, value in fields.items()}
    return Rule(_label(item.get("label"), f"{where}: label"), patterns, exemption)


def _patterns(value: object, where: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    _require(bool(listed) and all(isinstance(item, str) for item in listed), where, "text or a list of texts")
    return tuple(listed)
