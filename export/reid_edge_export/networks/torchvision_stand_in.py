"""What timm imports of torchvision, where torchvision is missing or was built for another torch.

timm's backbones use none of it: transforms and data sets are imported with its training code. A name of the stand-in can be imported and
subclassed; whatever is called of it raises.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

_MODULES = ("", ".transforms", ".transforms.functional", ".datasets", ".ops", ".ops.misc")


class _AbsentType(type):
    """A class whose attributes are such classes."""

    def __getattr__(cls, name: str) -> _AbsentType:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AbsentType(name, (), {})

    def __call__(cls, *arguments: Any, **options: Any) -> NoReturn:
        raise ModuleNotFoundError(f"{cls.__name__} is torchvision's, which is not installed", name="torchvision")


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> _AbsentType:
        if name.startswith("__"):
            raise AttributeError(name)
        return _AbsentType(name, (), {})


@contextmanager
def without_torchvision() -> Iterator[None]:
    """Inside, `import torchvision` gives the stand-in; afterwards it is what it was."""
    forget("torchvision")
    modules = {f"torchvision{part}": _AbsentModule(f"torchvision{part}") for part in _MODULES}
    for name, module in modules.items():
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(modules[parent], last, module)
    sys.modules.update(modules)
    try:
        yield
    finally:
        forget("torchvision")


def forget(package: str) -> None:
    """Take a package and its modules out of those that are imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
