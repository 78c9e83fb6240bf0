"""Configuration: TOML files read into frozen models, with every error at once and at its line.

    node.toml:22: unknown key collecter; did you mean collector?

A program derives its model from :class:`Settings` and describes each field; :func:`explain` writes those descriptions
beside every key, for `init`.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

Location = tuple[int | str, ...]

_KEY: Final = re.compile(r"""\s*(?P<key>[A-Za-z0-9_-]+|"[^"]+")\s*=""")
_TABLE: Final = re.compile(r"\s*\[(?P<list>\[)?\s*(?P<name>[^\[\]]+?)\s*\]")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SYNTAX: Final = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column \d+\)")


class Settings(BaseModel):
    """Base of all configuration models: immutable, and no key that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=Settings)


class ConfigError(Exception):
    """A configuration file cannot be used.

    Attributes:
        lines: one complaint each, beginning with file and line.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def load_config(path: Path, model: type[M]) -> M:
    """Read a TOML file.

    Raises:
        ConfigError: all that is wrong, in the order of the file.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: expected a readable file: {error.strerror}; write one with init"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: expected UTF-8"]) from error
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_complaint(path, error)]) from error
    except ValidationError as error:
        raise ConfigError(_complaints(path, text, model, error)) from error


def explain(settings: BaseModel | type[BaseModel]) -> str:
    """A TOML file with every key, its explanation and its default.

    Values of an instance that differ from their defaults are set; all other keys stand as comments with their default.
    """
    return "\n".join(_explain(settings, ())).strip() + "\n"


def _syntax_complaint(path: Path, error: tomllib.TOMLDecodeError) -> str:
    match = _SYNTAX.fullmatch(str(error))
    if match is None:
        return f"{path}: {error}"
    return f"{path}:{match['line']}: {match['what']}"


def _complaints(path: Path, text: str, model: type[BaseModel], error: ValidationError) -> list[str]:
    lines = _lines(text)
    found = []
    for one in error.errors():
        location: Location = one["loc"]
        line = _line_of(lines, location)
        where = f"{path}:{line}" if line else f"{path}"
        found.append((line, f"{where}: {_complaint(model, location, one)}"))
    return [complaint for _, complaint in sorted(found)]


def _complaint(model: type[BaseModel], location: Location, error: Mapping[str, Any]) -> str:
    dotted = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        known = [*_model_at(model, location[:-1]).model_fields]
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known are: {', '.join(sorted(known))}"
        return f"unknown key {location[-1]}; {advice}"
    if error["type"] == "missing":
        return f"missing key {dotted}"
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    value = error.get("input")
    shown = f", found {json.dumps(value)}" if isinstance(value, (str, int, float, bool)) else ""
    return f"{dotted}: expected {said}{shown}" if error["type"] != "value_error" else f"{dotted}: {said}"


def _lines(text: str) -> dict[Location, int]:
    """Where tables and keys stand, as far as plain lines show it; inline tables count by the key that holds them."""
    found: dict[Location, int] = {}
    table: Location = ()
    counts: dict[Location, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            name: Location = _with_indices(tuple(part.strip().strip('"') for part in header["name"].split(".")), counts)
            if header["list"]:
                counts[name] = counts.get(name, -1) + 1
                found.setdefault(name, number)
                name = (*name, counts[name])
            table = name
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, key["key"].strip('"')), number)
    return found


def _with_indices(name: tuple[str, ...], counts: Mapping[Location, int]) -> Location:
    """The table's path with the number of the current item behind each list of tables on the way."""
    path: Location = ()
    for part in name[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return (*path, name[-1])


def _line_of(lines: Mapping[Location, int], location: Location) -> int:
    """The line of a location, or of the nearest thing around it; 0 where nothing is found."""
    for end in range(len(location), 0, -1):
        if location[:end] in lines:
            return lines[location[:end]]
    return 0


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """The model that the keys at `location` belong to."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            inner = _inner_model(model.model_fields[part].annotation)
            model = inner if inner is not None else model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        if (found := _inner_model(inner)) is not None:
            return found
    return None


def _explain(settings: BaseModel | type[BaseModel], table: tuple[str, ...]) -> Iterator[str]:
    """Plain keys first, then tables: in TOML every key after a header belongs to it."""
    model = settings if isinstance(settings, type) else type(settings)
    tables = []
    for name, field in model.model_fields.items():
        value = None if isinstance(settings, type) else getattr(settings, name)
        if _inner_model(field.annotation) is not None:
            tables.append((name, field, value))
            continue
        yield from _explanation(field)
        yield _assignment(name, field, value, fixed=not isinstance(settings, type))
        yield ""
    for name, field, value in tables:
        yield from _explain_tables((*table, name), field, value)


def _explain_tables(table: tuple[str, ...], field: FieldInfo, value: Any) -> Iterator[str]:
    """One table, one per item of a list or mapping, or a commented pattern where there is none."""
    model = _inner_model(field.annotation)
    if model is None:
        raise TypeError(f"{table} holds no model")
    yield from _explanation(field)
    items = list(_items(table, field, value))
    for header, path, item in items:
        yield header
        yield from _explain(item, path)
    if not items:
        name = ".".join(table)
        pattern = f"[[{name}]]" if _holds(field.annotation, tuple, list) else f"[{name}]"
        yield f"# [{name}.NAME]" if _holds(field.annotation, dict) else f"# {pattern}"
        yield from (line if line.startswith("#") or not line else f"# {line}" for line in _explain(model, table))


def _items(table: tuple[str, ...], field: FieldInfo, value: Any) -> Iterator[tuple[str, tuple[str, ...], BaseModel]]:
    """Header, path and model of each table that a value stands for."""
    name = ".".join(table)
    if isinstance(value, BaseModel):
        yield f"[{name}]", table, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"[{name}.{_toml_key(key)}]", (*table, _toml_key(key)), item
    elif _holds(field.annotation, tuple, list):
        for item in value or ():
            yield f"[[{name}]]", table, item


def _explanation(field: FieldInfo) -> Iterator[str]:
    yield from (f"# {line}" for line in (field.description or "").splitlines())


def _assignment(name: str, field: FieldInfo, value: Any, *, fixed: bool) -> str:
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if fixed and value is not None and (field.is_required() or value != default):
        return f"{name} = {_toml(value)}"
    if default is not None:
        return f"# {name} = {_toml(default)}"
    return f"# {name} =" if not field.is_required() else f"# {name} =   (required)"


def _holds(annotation: Any, *kinds: type) -> bool:
    """Whether an annotation is, or may be, one of these kinds of container."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_holds(part, *kinds) for part in typing.get_args(annotation))
    return origin in kinds


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _toml(value: Any) -> str:
    """One value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return _toml(value.value)
        case int() | float():
            return repr(value)
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case tuple() | list() | frozenset():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case Mapping():
            return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
        case _:
            raise TypeError(f"{type(value).__name__} has no form in TOML here")
