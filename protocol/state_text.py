"""The text form of a state, derived from its classes (annex 3.6).

One line `path=value` for every value that is present, sorted by bytes; integers in decimal, bytes in lower-case hex. A
field declared by :func:`later` was added after states had been digested: it is left out while it has its default, so
that states which do not use it keep their digest.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, is_dataclass
from functools import cache
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_LATER: Final = "later"


def later(default: T) -> T:
    """A field of a state class that is left out of the text while it has its default."""
    found: T = field(default=default, metadata={_LATER: True})
    return found


def text(value: object) -> bytes:
    """Lines `path=value`, sorted by bytes."""
    lines: list[str] = []
    _flatten("", value, lines)
    # UTF-8 sorts by bytes as text does by code points.
    lines.sort()
    return "".join(lines).encode()


def parse(kind: type[T], data: bytes) -> T:
    """The value that a text stands for. It may be another text of the same value: compare :func:`text` of the result.

    Raises:
        ValueError, TypeError, AttributeError, KeyError: no value has this text.
    """
    tree: dict[str, Any] = {}
    for line in data.decode().splitlines():
        path, _, value = line.partition("=")
        *parents, leaf = path.split("/")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    built: T = _build(kind, tree)
    return built


def _flatten(path: str, value: object, lines: list[str]) -> None:
    """Append a line for everything present at and below `value`."""
    if isinstance(value, int):
        lines.append(f"{path}={value:d}\n")
    elif isinstance(value, str):
        lines.append(f"{path}={value}\n")
    elif isinstance(value, bytes):
        lines.append(f"{path}={value.hex()}\n")
    elif value is not None:
        prefix = f"{path}/" if path else ""
        for name, part in _parts(value):
            _flatten(f"{prefix}{name}", part, lines)


def _parts(value: object) -> Iterable[tuple[object, object]]:
    """Names and values of what a value consists of, without fields that are left out."""
    if isinstance(value, tuple):
        return enumerate(value)
    if isinstance(value, Mapping):
        return value.items()
    kind: Any = type(value)
    return [(name, part) for name, unless in _fields(kind) if (part := getattr(value, name)) != unless]


_NEVER: Final = object()
"""Equals no value of a field."""


@cache
def _fields(kind: type) -> tuple[tuple[str, object], ...]:
    """Names of the fields of a state class, sorted, each with the value for which it is left out."""
    found = ((item.name, item.default if _LATER in item.metadata else _NEVER) for item in fields(kind))
    return tuple(sorted(found, key=lambda item: item[0]))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, tree: Any) -> Any:
    """The inverse of :func:`_flatten`."""
    if get_origin(kind) in {Union, types.UnionType}:
        return _build(get_args(kind)[0], tree)
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        absent = {name: () for name, hint in hints.items() if get_origin(hint) is tuple}
        values = {name: _build(hints[name], part) for name, part in tree.items()}
        return kind(**(absent | values))  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_build(get_args(kind)[0], tree[name]) for name in sorted(tree, key=int))
    if get_origin(kind) is Mapping:
        name_kind, part_kind = get_args(kind)
        return {name_kind(name): _build(part_kind, part) for name, part in tree.items()}
    if kind is bool:
        return {"0": False, "1": True}[tree]
    return bytes.fromhex(tree) if kind is bytes else kind(tree)
