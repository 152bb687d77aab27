"""A network of the user's own in PyTorch: a module that a function of the user's returns, with its weights."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.weights import read_checkpoint


def build(module: str, function: str, size: int) -> nn.Module:
    """What `function` of the Python module `module` returns; it is imported from where Python finds modules, or the current folder.

    Raises:
        UsageError: there is no such module or function, it fails, or gives no `nn.Module`.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        made = getattr(importlib.import_module(module), function)()
    except ModuleNotFoundError as error:
        raise UsageError(f"torch:{module}:{function}: there is no module {error.name}.", "Run the command beside it.") from error
    except AttributeError as error:
        raise UsageError(f"torch:{module}:{function}: {error}.", "Name a function of that module.") from error
    except Exception as error:  # the user's own code may raise anything
        raise UsageError(
            f"torch:{module}:{function}: the function failed ({type(error).__name__}: {error}).", "Try it in Python."
        ) from error
    if not isinstance(made, nn.Module):
        raise UsageError(f"torch:{module}:{function} gives {type(made).__name__}, not a torch.nn.Module.", "Return the network.")
    return made.float()


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """A checkpoint under the network's own names."""
    return read_checkpoint(path, "state_dict", "model")
