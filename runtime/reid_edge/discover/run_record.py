"""What a run grouped, in a file beside the working file, so that the review page groups the same animals again without the photos."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.discover.constraints import Seen
from reid_edge.discover.discovery import Discovery, Taking
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.time_place import TimePlaceModel
from reid_edge.identify.identifier import Identifier
from reid_edge.storage.address import Place, need_file, resolved_place
from reid_edge.storage.durable import replacing
from reid_edge.storage.errors import storage_errors

_SUFFIX = ".run.json"
_SCHEMA = "reid-edge/discovery-run/1"


@dataclass(frozen=True)
class RecordedAnimal:
    """One animal that took part.

    Attributes:
        sighting: its id, in the working file, or in the catalogue where it is of a known individual.
        known: the individual; '' of the working file.
        species, viewpoint, path: of this run, which may have stated others than the working file holds.
    """

    sighting: int
    known: str = ""
    species: str = ""
    viewpoint: str = ""
    path: str = ""


@dataclass(frozen=True)
class RunRecord:
    """The newest run over a working file.

    Attributes:
        pack: name of the pack that described the animals.
        feature_key: of it.
        time_place: what time and place said.
        animals: in the order of `Discovery.seen`.
        gallery: the catalogue's path or address; '' where there was none.
    """

    pack: str
    feature_key: str
    time_place: TimePlaceModel
    animals: tuple[RecordedAnimal, ...]
    gallery: str = ""

    @classmethod
    def of(cls, discovery: Discovery, pack: str, time_place: TimePlaceModel, gallery: Place | None) -> RunRecord:
        """Of a discovery."""
        animals = tuple(_recorded(each) for each in discovery.seen)
        return cls(pack, discovery.identifier.feature_key, time_place, animals, str(resolved_place(gallery)) if gallery else "")

    def write(self, work: Path) -> None:
        """Beside the working file, as a whole or not at all; StorageError where it cannot be written."""
        path = record_path(work)
        with storage_errors(f"write {path}"), replacing(path) as file:
            file.write(json.dumps({"schema": _SCHEMA, **asdict(self)}).encode())

    @classmethod
    def read(cls, work: Path) -> RunRecord:
        """Of the working file's newest run.

        Raises:
            UsageError: there is none, or it cannot be read.
        """
        path = record_path(work)
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if values.pop("schema") != _SCHEMA:
                raise ValueError
            animals = tuple(RecordedAnimal(**each) for each in values["animals"])
            return cls(**{**values, "time_place": TimePlaceModel(**values["time_place"]), "animals": animals})
        except FileNotFoundError:
            raise UsageError(f"{work} is not the working file of a discovery.", "Run reid-edge discover first.") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise UsageError(f"{path} cannot be read.", "Run the same reid-edge discover again.") from None

    def discovery(self, work: Gallery, known: Gallery | None, identifier: Identifier) -> Discovery:
        """The discovery, with the names that the run knew; `seen_now` tells the names of now.

        Args:
            work: the working file.
            known: the catalogue.
            identifier: the pack that described the animals.

        Raises:
            GalleryError: one of the two cannot be read.
            UsageError: the pack is another one, or an animal is gone.
        """
        if identifier.feature_key != self.feature_key:
            raise UsageError(f"The groups were made with the pack {self.pack}.", f"Give --pack {self.pack}, or discover again.")
        source = GalleryCandidates(work, self.feature_key)
        beside = GalleryCandidates(known, self.feature_key) if known is not None else source
        stored = work.present_sightings([each.sighting for each in self.animals if not each.known])
        held = known.present_sightings([each.sighting for each in self.animals if each.known]) if known is not None else {}
        taking = []
        for each in self.animals:
            sighting = (held if each.known else stored).get(each.sighting)
            if sighting is None:
                whose = f"A photo of {each.known}" if each.known else "A photo"
                raise UsageError(f"{whose} that took part in the discovery is gone.", "Run the same reid-edge discover again.")
            taking.append(Taking(Seen(_as_stated(sighting, each), each.known), beside if each.known else source))
        return Discovery(taking, identifier, need_file(work.path, "keep the work of a discovery there", "Name a file."))


def record_path(work: Path) -> Path:
    """Where the newest run of a working file is recorded."""
    return work.with_name(work.name + _SUFFIX)


def _recorded(seen: Seen) -> RecordedAnimal:
    sighting = seen.sighting
    return RecordedAnimal(sighting.id, seen.name, sighting.species, sighting.viewpoint, sighting.photo_path)


def _as_stated(sighting: Sighting, recorded: RecordedAnimal) -> Sighting:
    return replace(sighting, species=recorded.species, viewpoint=recorded.viewpoint, photo_path=recorded.path)
