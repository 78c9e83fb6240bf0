"""How code is broken on purpose: one edit of the real source each, which a named invariant must find.

An edit replaces a piece of text
that stands in its module exactly once, and the functions that it changes are given their new code where they are, so
that whoever has imported them runs the broken version.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit.

    Attributes:
        name: what is broken, in words.
        module: of the code.
        old: text as it is.
        new: text that takes its place.
        lens: that finds it.
        invariant: that it breaks.
    """

    name: str
    module: str
    old: str
    new: str
    lens: str
    invariant: str


@contextlib.contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """The code with an edit, for as long as the context lasts.

    Raises:
        LookupError: the text does not stand in the module exactly once: the code has moved on, and the row must follow.
    """
    module = import_module(mutant.module)
    source = inspect.getsource(module)
    if source.count(mutant.old) != 1:
        raise LookupError(f"{mutant.name}: {mutant.old!r} stands {source.count(mutant.old)} times in {mutant.module}")
    edited = ModuleType(mutant.module)
    edited.__file__ = module.__file__
    exec(compile(source.replace(mutant.old, mutant.new), str(module.__file__), "exec"), edited.__dict__)
    undo: list[tuple[Any, str, Any]] = []
    for name, function in list(_functions(module)):
        other = dict(_functions(edited))[name]
        undo.append((function, "__code__", function.__code__))
        function.__code__ = other.__code__
    for name, value in list(vars(module).items()):
        if name.isupper() and isinstance(value, dict):
            undo.append((module, name, value))
            setattr(module, name, getattr(edited, name))
    _forget()
    try:
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)
        _forget()


def _forget() -> None:
    """Empty every cache of the core: what it holds was computed by other code."""
    for name, module in list(sys.modules.items()):
        if name.startswith("protocol."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Functions and methods that a module defines."""
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield name, value
        elif inspect.isclass(value) and value.__module__ == module.__name__ and not issubclass(value, str):
            for inner, found in vars(value).items():
                method = found.__func__ if isinstance(found, classmethod) else found
                if isinstance(method, FunctionType) and not inner.startswith("__"):
                    yield f"{name}.{inner}", method
