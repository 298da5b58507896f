"""Imports of libraries that the imported modules may never use, put off until they are used.

cliff imports stevedore, importlib.metadata, prettytable and subprocess at the top of its modules: longer than a short
command takes. Most commands need them only as annotations.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

NAMES = ("importlib.metadata", "logging.handlers", "prettytable", "stevedore", "subprocess")


class Deferred(ModuleType):
    """A module that stands in for another one until an attribute is used."""

    is_open = True  # while the importing modules are executed, attributes are put off, too

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by the import system
            raise AttributeError(name)
        if self.is_open:
            return Attribute(self.__name__, name)
        return getattr(importlib.import_module(self.__name__), name)


class Attribute:
    """An attribute of a module that is not imported yet; in an annotation it remains so."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _found(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found(), name)

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        return self._found()(*arguments, **more)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._found(),)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._found())

    def __getitem__(self, parameters: object) -> Attribute:
        return self

    def __or__(self, other: object) -> Attribute:
        return self

    __ror__ = __or__


@contextmanager
def imports() -> Iterator[None]:
    """Put off, for modules that are first imported within the block, the imports of the libraries in NAMES."""
    deferred = {name: Deferred(name) for name in NAMES if name not in sys.modules}
    sys.modules.update(deferred)
    for name, module in deferred.items():
        parent, _, child = name.rpartition(".")
        if parent:  # `import a.b` binds a, where b is looked for
            setattr(importlib.import_module(parent), child, module)
    try:
        yield
    finally:
        for name, module in deferred.items():
            module.is_open = False
            if sys.modules.get(name) is module:
                del sys.modules[name]
