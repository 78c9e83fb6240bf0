"""The text form of a state, derived from its classes (annex 3.6).

One line `path=value` for every value that is present, sorted by bytes; integers in decimal, bytes in lower-case hex. A
field declared by :func:`later` was added after states had been digested: it is left out while it has its default, so
that states which do not use it keep their digest.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import Field, field, fields, is_dataclass
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
    return b"".join(sorted(f"{path}={scalar}\n".encode() for path, scalar in _flatten("", value)))


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


def _flatten(path: str, value: object) -> list[tuple[str, str]]:
    """Paths and values of everything present below `value`."""
    if value is None:
        return []
    if is_dataclass(value):
        found = ((item, getattr(value, item.name)) for item in fields(value))
        parts: list[tuple[object, object]] = [(item.name, part) for item, part in found if not _left_out(item, part)]
    elif isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, tuple):
        parts = list(enumerate(value))
    else:
        return [(path, _scalar(value))]
    prefix = f"{path}/" if path else ""
    return [line for name, part in parts for line in _flatten(f"{prefix}{name}", part)]


def _left_out(item: Field[Any], part: object) -> bool:
    return _LATER in item.metadata and part == item.default


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return value.hex() if isinstance(value, bytes) else str(value)


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
