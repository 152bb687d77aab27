"""Opening a pack in a worker, which may run on another machine: it has to be the very pack that the command was given."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from reid_edge.errors import PackError
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import Pack, find_pack, open_pack
from reid_edge.recipe import Recipe, parse_recipe


class BulkPack:
    """The pack as the command sees it, which runs none of its networks: its machine may lack what the workers' machines have.

    Attributes:
        recipe: of the pack.
        workers: how each worker opens it.
    """

    def __init__(self, name: str, device: str = "auto", threads: int = 1, allow_random: bool = False) -> None:
        """Verify the pack.

        Raises:
            PackError: there is no such pack, or it is broken.
        """
        path = find_pack(name)
        self.pack: Pack = open_pack(path, allow_random)
        self.recipe: Recipe = parse_recipe(self.pack.recipe, self.pack.manifest)
        # A path is one on every machine; a name may stand for another place there.
        name = str(path.absolute()) if path == Path(name) else name
        self.workers = PackRecipe(name, self.pack.sha256, device, threads, allow_random)

    @property
    def feature_key(self) -> str:
        """As `Identifier.feature_key`."""
        return self.pack.feature_key(self.recipe.feature_networks, self.recipe.feature_settings())


@dataclass(frozen=True)
class PackRecipe:
    """How each worker opens the pack.

    Attributes:
        name: of a bundled or imported pack, or the path of one, on every machine.
        sha256: of the pack's content.
        device: what runs the networks.
        threads: CPU threads of a worker; it describes as many photos at a time.
        allow_random: accept random weights.
    """

    name: str
    sha256: str
    device: str = "auto"
    threads: int = 1
    allow_random: bool = False

    def open(self) -> Identifier:
        """The pack, verified.

        Raises:
            PackError: it is missing or broken on this machine, or another one of the same name.
            EngineError, UsageError: the device cannot run it.
        """
        pack = open_pack(find_pack(self.name), self.allow_random)
        if pack.sha256 != self.sha256:
            raise PackError(
                f"The pack {self.name} on {platform.node()} is another one than where the command was given.",
                "Install the same version of reid-edge on all machines, and import the same pack: reid-edge pack import.",
            )
        return Identifier(pack, self.device, self.threads)
