"""Database and query photos with the identities that people gave them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.gallery.sources import Enrolment, read_source
from reid_edge.identification import Identifier


@dataclass(frozen=True)
class LabelledSet:
    """Database and query photos of one metadata.csv.

    Attributes:
        name: its folder's name, for messages.
        fold: the rows' fold, ``all`` where none was chosen.
        database, queries: who each photo shows.
        species: the species that they share.
        leaked: query photos that are in the database too, byte for byte, and are left out of `queries`: they would find themselves.
    """

    name: str
    fold: str
    database: tuple[Enrolment, ...]
    queries: tuple[Enrolment, ...]
    species: str
    leaked: tuple[Path, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of these labels, a sentence each."""
        if not self.leaked:
            return ()
        names = ", ".join(path.name for path in self.leaked[:5]) + (" and others" if len(self.leaked) > 5 else "")
        return (f"{self.name}: query photos that are database photos too were left out, they would find themselves: {names}.",)

    def stem(self, identifier: Identifier) -> str:
        """The name of files that hold what this pack computes of this set: another pack, recipe, row or label gives another name."""
        networks = {
            name: identifier.pack.manifest.file(network.file).sha256
            for name, network in identifier.pack.manifest.networks.items()
        }
        what = repr((self.database, self.queries, sorted(networks.items()), identifier.recipe, identifier.feature_key))
        return f"{self.name}-{self.fold}-{sha256(what.encode()).hexdigest()[:12]}"


def read_labelled_set(metadata: Path, fold: str | None) -> LabelledSet:
    """Read the database and query rows of a metadata.csv (or of the folder that holds one).

    Args:
        metadata: with the columns ``split`` and, where `fold` is given, ``fold``.
        fold: rows of this fold only; None for all.

    Raises:
        UsageError: the file cannot be read, a row is wrong, one of the two splits is empty, or it holds several species.
    """
    database = tuple(read_source(metadata, split="database", fold=fold))
    queries = tuple(read_source(metadata, split="query", fold=fold))
    species = {row.species for row in (*database, *queries)}
    if len(species) > 1:
        raise UsageError(
            f"{metadata} holds several species ({', '.join(sorted(species))}).", "Give one metadata.csv per species."
        )
    name = (metadata if metadata.is_dir() else metadata.parent).resolve().name
    enrolled = {_content(row.path) for row in database}
    leaked = tuple(row.path for row in queries if _content(row.path) in enrolled)
    asked = tuple(row for row in queries if row.path not in leaked)
    return LabelledSet(name, fold or "all", database, asked, species.pop(), leaked)


def _content(path: Path) -> str:
    """What tells one file from another; of one that cannot be read, its path, because reading the photo will say why."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return str(path)
