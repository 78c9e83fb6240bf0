"""Statements as people write them: JSON with the fields of the .proto files, checked field by field.

    {"kind": "ShipmentReport", "period": 3, "body": {"id": "s-1", "receiver": "gamma", "chipClass": "H100-SXM",
     "chips": {"value": 512, "unit": "UNIT_CHIP", "basis": "BASIS_MEASURED"}}}

One such object or a list of them. Names of fields may be as in the .proto files (`chip_class`) or in camel case.
Integers may be strings. Byte fields and `site` are hexadecimal; a site may be given by its name in the configuration.
A Clarification names the lab that it asks, a Reply its own and the question: `"inquiry": {"lab": "beta"}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from protocol.errors import Reason, Refused, require
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import header_pb2, node_admin_service_pb2

MOST_DRAFTS: Final = 1_000
_KEYS: Final = ("kind", "period", "site", "inquiry", "body")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_INTEGERS: Final = {
    FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1,
    FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1,
}


def read_drafts(text: str, sites: Mapping[str, bytes]) -> list[node_admin_service_pb2.Draft]:
    """Read statements to publish.

    Args:
        text: JSON, one statement or a list of 1 to 1,000.
        sites: handles (16 bytes) by name in the configuration.

    Raises:
        Refused: DRAFT_MALFORMED with the path of the first field that is wrong, such as `[2].body.chips.value`;
            KIND_UNKNOWN.
    """
    try:
        found = json.loads(text, parse_float=_no_fraction, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as error:
        raise Refused(Reason.DRAFT_MALFORMED, _place(error), f"expected JSON: {error.msg}") from error
    except RecursionError as error:
        raise Refused(Reason.DRAFT_MALFORMED, "statement", "nested too deeply") from error
    except ValueError as error:
        # Thousands of digits, which Python does not turn into an integer.
        raise Refused(Reason.DRAFT_MALFORMED, "statement", str(error)) from error
    listed = found if isinstance(found, list) else [found]
    within = 1 <= len(listed) <= MOST_DRAFTS
    _require(within, "", f"expected 1 to {MOST_DRAFTS} statements, found {len(listed)}")
    return [_draft(item, f"[{number}]" if isinstance(found, list) else "", sites) for number, item in enumerate(listed)]


def as_table(message: Message) -> dict[str, Any]:
    """A message as a table of the form that :func:`read_drafts` reads, bytes left as bytes."""
    return {field.name: _as_value(field, value) for field, value in message.ListFields()}


def as_statement(draft: node_admin_service_pb2.Draft, sites: Mapping[bytes, str] | None = None) -> dict[str, Any]:
    """A statement to publish as :func:`read_drafts` reads it, without what it does not have.

    Args:
        draft: of a known kind.
        sites: names in the configuration by handle; a site without one is shown by its handle.
    """
    body = KINDS[draft.kind].body.FromString(draft.body)
    table: dict[str, Any] = {"kind": body.DESCRIPTOR.name}
    if draft.HasField("period"):
        table["period"] = draft.period
    if draft.site:
        table["site"] = (sites or {}).get(draft.site, draft.site.hex())
    if draft.HasField("inquiry"):
        table["inquiry"] = as_table(draft.inquiry)
    return table | {"body": as_table(body)}


def _as_value(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return [_as_item(field, item) for item in value]
    return _as_item(field, value)


def _as_item(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return as_table(value)
    return field.enum_type.values_by_number[value].name if field.enum_type is not None else value


def _draft(item: object, where: str, sites: Mapping[str, bytes]) -> node_admin_service_pb2.Draft:
    table = _table(item, where)
    for key in table:
        _require(key in _KEYS, _path(where, key), f"unknown key; known are {', '.join(_KEYS)}")
    kind = _kind(table.get("kind"), _path(where, "kind"))
    body = KINDS[kind].body()
    _fill(body, _table(table.get("body", {}), _path(where, "body")), _path(where, "body"))
    draft = node_admin_service_pb2.Draft(kind=kind, body=encode(body))
    if table.get("period") is not None:
        draft.period = _integer(table["period"], _path(where, "period"), 2**63 - 1)
    if table.get("site"):
        draft.site = _site(table["site"], _path(where, "site"), sites)
    if table.get("inquiry") is not None:
        place = _path(where, "inquiry")
        draft.inquiry.SetInParent()
        _fill(draft.inquiry, _table(table["inquiry"], place), place)
    return draft


def _kind(value: object, where: str) -> header_pb2.Kind.ValueType:
    """A kind by the name of its body's message (`ShipmentReport`) or of the enumeration (`KIND_SHIPMENT_REPORT`)."""
    names = {rule.body.DESCRIPTOR.name: kind for kind, rule in KINDS.items()}
    names |= {header_pb2.Kind.Name(header_pb2.Kind.ValueType(kind)): kind for kind in KINDS}
    if not isinstance(value, str) or value not in names:
        known = ", ".join(rule.body.DESCRIPTOR.name for rule in KINDS.values())
        raise Refused(Reason.KIND_UNKNOWN, where, f"expected one of {known}; found {value!r}")
    return header_pb2.Kind.ValueType(names[value])


def _site(value: object, where: str, sites: Mapping[str, bytes]) -> bytes:
    if isinstance(value, str) and value in sites:
        return sites[value]
    return _bytes(value, where)


def _fill(message: Message, table: Mapping[str, object], where: str) -> None:
    """Set the fields of a message from a table; null leaves a field absent."""
    by_camel = {field.json_name: field for field in message.DESCRIPTOR.fields}
    fields = by_camel | {field.name: field for field in message.DESCRIPTOR.fields}
    seen: dict[str, str] = {}
    for key, value in table.items():
        place = _path(where, key)
        field = fields.get(key)
        if field is None:
            known = ", ".join(one.name for one in message.DESCRIPTOR.fields) or "none"
            raise Refused(
                Reason.DRAFT_MALFORMED, place, f"unknown field of {message.DESCRIPTOR.name}; known are {known}"
            )
        _require(field.name not in seen, place, f"the same field as {seen.get(field.name)}")
        # A second member of a oneof would silently unset the first.
        group = field.containing_oneof.name if field.containing_oneof is not None else field.name
        _require(group not in seen, place, f"only one of {group} can be said")
        seen |= {field.name: key, group: key}
        if value is not None:
            _set(message, field, value, place)


def _set(message: Message, field: Any, value: object, where: str) -> None:
    if field.is_repeated:
        if not isinstance(value, list):
            raise Refused(Reason.DRAFT_MALFORMED, where, f"expected a list, found {_shown(value)}")
        target = getattr(message, field.name)
        for number, item in enumerate(value):
            place = f"{where}[{number}]"
            if field.message_type is not None:
                _fill(target.add(), _table(item, place), place)
            else:
                target.append(_scalar(field, item, place))
    elif field.message_type is not None:
        inner = getattr(message, field.name)
        inner.SetInParent()
        _fill(inner, _table(value, where), where)
    else:
        setattr(message, field.name, _scalar(field, value, where))


def _scalar(field: Any, value: object, where: str) -> object:
    """A value as its field takes it."""
    if field.cpp_type in _INTEGERS:
        return _integer(value, where, _INTEGERS[field.cpp_type])
    if field.enum_type is not None:
        names = {one.name: one.number for one in field.enum_type.values if one.number}
        known = isinstance(value, str) and value in names
        _require(known, where, f"expected one of {', '.join(names)}; found {_shown(value)}")
        return names[str(value)]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(value, where)
    kind, word = (bool, "true or false") if field.type == FieldDescriptor.TYPE_BOOL else (str, "text")
    _require(isinstance(value, kind), where, f"expected {word}, found {_shown(value)}")
    return value


def _integer(value: object, where: str, most: int) -> int:
    """A whole number, also as a string, as JSON writers give those above 2^53."""
    # Twenty digits hold every 64-bit number; more would only take time to read.
    digits = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20
    whole = digits or (isinstance(value, int) and not isinstance(value, bool))
    _require(whole, where, f"expected a whole number, found {_shown(value)}")
    number = int(str(value))
    _require(0 <= number <= most, where, f"expected 0 to {most}, found {number}")
    return number


def _bytes(value: object, where: str) -> bytes:
    text = value if isinstance(value, str) else ""
    found = bool(text or value == "") and _HEX.fullmatch(text) is not None
    _require(found, where, f"expected hexadecimal digits, found {_shown(value)}")
    return bytes.fromhex(text)


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(Reason.DRAFT_MALFORMED, where or "statement", f"expected an object, found {_shown(value)}")
    return value


def _place(error: json.JSONDecodeError) -> str:
    """Where the text stops being JSON, the same on every Python: since 3.13 a trailing comma is its own place."""
    if error.msg.startswith("Illegal trailing comma"):
        behind = error.doc[error.pos + 1 :].lstrip(" \t\r\n")
        error = json.JSONDecodeError(error.msg, error.doc, len(error.doc) - len(behind))
    return f"line {error.lineno}, column {error.colno}"


def _no_fraction(text: str) -> str:
    """Fractions stay text: a float would round what is to be signed. Every field refuses them."""
    return f"{text} (a fraction)"


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    for key in keys:
        _require(keys.count(key) == 1, key, "stands twice in one object")
    return dict(pairs)


def _require(condition: bool, where: str, what: str) -> None:
    require(condition, Reason.DRAFT_MALFORMED, where or "statement", what)


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]
