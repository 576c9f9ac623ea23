"""Modules that can be called, for names that are a package and a function of the face.

`ipvae_snn.export` is the package behind the targets, and Python makes it an attribute of
`ipvae_snn` as soon as any part of it is imported; called, it is the function `export` of the face.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, Final

FACE: Final = "ipvae_snn.api"


class CallableModule(ModuleType):
    """A module whose call is the call of the face's function of the same name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function; loads it when it is first used."""
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module(FACE), name)(*arguments, **options)


def make_callable(name: str) -> None:
    """Make the module called `name` callable (its `__class__` may be assigned for this)."""
    sys.modules[name].__class__ = CallableModule
