"""The arrays of a gallery: per sighting and feature key, made once and read back checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from reid_edge.gallery.arrays import StoredArray, check_feature_key, check_feature_name, from_stored, to_stored
from reid_edge.gallery.catalogue import Catalogue
from reid_edge.gallery.records import Sighting


@dataclass(frozen=True)
class LeftOut:
    """How many sightings nothing is compared with, by the reason.

    Attributes:
        undescribed: nobody has described them with the pack.
        without_room: the replica of the gallery has no room for their features.
        on_their_way: their features are being copied to the replica.
    """

    undescribed: int = 0
    without_room: int = 0
    on_their_way: int = 0


class StoredFeatures(Catalogue):
    """Stores and reads features. They are computed from photos by a pack, so they are not decisions and have no events."""

    def put_features(self, sighting_id: int, feature_key: str, features: Mapping[str, NDArray[Any]]) -> None:
        """Replace what a live sighting has under this key by `features`, in one transaction.

        Args:
            sighting_id: of a live sighting.
            feature_key: hash of the part of a pack that makes features, 8 to 64 hex digits.
            features: arrays by name (`keypoints/xfeat/xy`), of a dtype of arrays.DTYPES and finite.

        Raises:
            GalleryError: no such sighting, or a name or array that cannot be stored.
        """
        with self.database.transaction():
            self.sighting(sighting_id)
            self.write_features(sighting_id, feature_key, features)

    def write_features(self, sighting_id: int, feature_key: str, features: Mapping[str, NDArray[Any]]) -> None:
        """As `put_features`, for a sighting that the caller knows to exist."""
        check_feature_key(feature_key)
        stored = {check_feature_name(name): to_stored(name, array) for name, array in features.items()}
        with self.database.transaction():
            self.database.execute("DELETE FROM feature WHERE sighting_id = ? AND feature_key = ?", (sighting_id, feature_key))
            for name, array in stored.items():
                self.database.insert("feature", sighting_id=sighting_id, feature_key=feature_key, name=name, **asdict(array))

    def features(
        self, sighting_ids: Collection[int], feature_key: str, names: Sequence[str] | None = None
    ) -> dict[int, dict[str, NDArray[Any]]]:
        """Arrays (read-only) by sighting id and name; what a sighting does not have is left out. None for all names.

        Raises:
            GalleryError: a stored array is damaged.
        """
        found: dict[int, dict[str, NDArray[Any]]] = {}
        for sighting_id, name, *stored in self.database.rows(
            "SELECT sighting_id, name, dtype, shape, crc32, data FROM feature WHERE feature_key = ? AND sighting_id IN (?)"
            + ("" if names is None else " AND name IN (?)"),
            (feature_key, list(sighting_ids), *([] if names is None else [list(names)])),
        ):
            found.setdefault(sighting_id, {})[name] = from_stored(StoredArray(*stored))
        return found

    def feature_names(self, sighting_id: int) -> list[tuple[str, str]]:
        """(feature key, name) of every array of a sighting, sorted."""
        return [
            (key, name)
            for key, name in self.database.rows(
                "SELECT feature_key, name FROM feature WHERE sighting_id = ? ORDER BY feature_key, name", (sighting_id,)
            )
        ]

    def feature_keys(self) -> dict[str, int]:
        """How many live sightings have features, by feature key."""
        return dict(
            self.database.rows(
                "SELECT feature_key, count(DISTINCT sighting_id) FROM feature f JOIN sighting s ON s.id = f.sighting_id "
                "WHERE s.live = 1 GROUP BY feature_key"
            )
        )

    def sightings_without(self, feature_key: str) -> list[Sighting]:
        """Live sightings that have nothing under this key, in the order of `sightings()`."""
        rows = self.database.rows("SELECT DISTINCT sighting_id FROM feature WHERE feature_key = ?", (feature_key,))
        described = {sighting_id for (sighting_id,) in rows}
        return [sighting for sighting in self.sightings() if sighting.id not in described]

    def left_out(self, without: Collection[int]) -> LeftOut:
        """Why there are no features of these sightings, whose ids are of `sightings_without`."""
        return LeftOut(undescribed=len(without))

    def described_photos(self, feature_key: str) -> set[str]:
        """SHA-256 of the photos with a live sighting that has something under this key."""
        rows = self.database.rows(
            "SELECT DISTINCT photo_sha256 FROM sighting s "
            "WHERE live = 1 AND EXISTS (SELECT 1 FROM feature f WHERE f.sighting_id = s.id AND f.feature_key = ?)",
            (feature_key,),
        )
        return {sha256 for (sha256,) in rows}

    def drop_features(self, keep: Collection[str]) -> int:
        """Delete every array whose feature key is not in `keep`; returns how many. Only the photos can make them again."""
        with self.database.transaction():
            return self.database.execute("DELETE FROM feature WHERE feature_key NOT IN (?)", (list(keep),))

    def revision(self) -> str:
        """A token that differs after every change of live sightings or features, and is never seen again."""
        return str(self.database.rows("SELECT revision FROM gallery")[0][0])
