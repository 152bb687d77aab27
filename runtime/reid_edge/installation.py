"""How reid-edge was installed, and so the command that adds an extra to it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NAME = "reid-edge"


def install_command(extra: str) -> str:
    """The command that installs an extra of reid-edge: from the checkout or file that this one came from, else from the package index.

    Not every reid-edge comes from an index, and then `pip install 'reid-edge[...]'` finds nothing.
    """
    checkout, address = _origin()
    if checkout is not None:
        return f"pip install '.[{extra}]' in the folder {checkout}"
    return f"pip install '{_NAME}[{extra}] @ {address}'" if address else f"pip install '{_NAME}[{extra}]'"


def _origin() -> tuple[Path | None, str]:
    """The checkout, or the address of the wheel; neither where it came from an index. PEP 610 says where pip notes it."""
    from importlib.metadata import PackageNotFoundError, distribution

    around = Path(__file__).resolve().parents[2]
    if (around / "pyproject.toml").is_file():
        return around, ""
    try:
        noted = json.loads(distribution(_NAME).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, OSError, ValueError):
        return None, ""
    address = noted.get("url", "")
    if "dir_info" in noted:
        folder = Path(unquote(urlsplit(address).path))
        return (folder, "") if (folder / "pyproject.toml").is_file() else (None, "")
    return None, f"git+{address}" if "vcs_info" in noted else address
