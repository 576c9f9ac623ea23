"""Callable modules, for names that are both a package and a public function.

`ipvae_snn.export` is the package of the export targets. Python makes it an attribute of `ipvae_snn`
as soon as any part of it is imported. Calling it calls the public function `export`.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, Final

FACE: Final = "ipvae_snn.api"


class CallableModule(ModuleType):
    """A module whose call is the call of the public function of the same name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function, which loads at its first use."""
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module(FACE), name)(*arguments, **options)


def make_callable(name: str) -> None:
    """Make the module called `name` callable (its `__class__` may be assigned for this)."""
    sys.modules[name].__class__ = CallableModule
