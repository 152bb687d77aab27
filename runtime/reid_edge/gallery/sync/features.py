"""Features and thumbnails go both ways: what only one side has of a sighting, the other gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reid_edge.storage.database import Database

_SIGHTINGS = 50  # copied in one transaction; a sync that is stopped goes on behind the last
_FEATURE = ("feature_key", "name", "dtype", "shape", "crc32", "data")


def exchange_features(station: Database, hub: Database) -> tuple[int, int]:
    """Copy the features that one side lacks; where both have another array of one name, that of the hub stays.

    Returns:
        Of how many sightings features were sent, and received.
    """
    here, there = _sums(station), _sums(hub)
    differing = sorted(uid for uid, (_, total) in here.items() if uid in there and there[uid][1] != total)
    sent = received = 0
    for start in range(0, len(differing), _SIGHTINGS):
        uids = differing[start : start + _SIGHTINGS]
        of_here, of_there = _listed(station, uids), _listed(hub, uids)
        sending = {key: row for key, row in of_here.items() if key not in of_there}
        receiving = {key: row for key, row in of_there.items() if of_here.get(key, (0, None))[1] != row[1]}
        sent += _copy(station, hub, sending, there)
        received += _copy(hub, station, receiving, here)
    for uid in _without_thumbnail(station):
        for (thumbnail,) in hub.rows("SELECT thumbnail FROM sighting WHERE uid = ? AND thumbnail IS NOT NULL", (uid,)):
            station.execute("UPDATE sighting SET thumbnail = ? WHERE uid = ?", (thumbnail, uid))
    return sent, received


def _sums(database: Database) -> dict[str, tuple[int, tuple[int, int]]]:
    """By uid of each living sighting: its id, and the number and the sum of the checksums of its features."""
    rows = database.rows(
        "SELECT s.uid, s.id, count(f.id), coalesce(sum(f.crc32), 0) FROM sighting s LEFT JOIN feature f ON f.sighting_id = s.id "
        "WHERE s.live = 1 AND s.uid IS NOT NULL GROUP BY s.uid, s.id"
    )
    return {uid: (row, (int(number), int(total))) for uid, row, number, total in rows}


def _listed(database: Database, uids: list[str]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """By uid, feature key and name: the id of the feature and its checksum."""
    rows = database.rows(
        "SELECT s.uid, f.feature_key, f.name, f.id, f.crc32 FROM feature f JOIN sighting s ON s.id = f.sighting_id WHERE s.uid IN (?)",
        (uids,),
    )
    return {(uid, key, name): (row, crc) for uid, key, name, row, crc in rows}


def _copy(
    source: Database, target: Database, keys: dict[tuple[str, str, str], tuple[int, int]], sightings: dict[str, Any]
) -> int:
    """Copy features, all of a few sightings in one transaction; returns of how many sightings."""
    if not keys:
        return 0
    found = list(_arrays(source, [row for row, _ in keys.values()]))
    with target.transaction():
        for uid, *values in found:
            row = dict(zip(_FEATURE, values, strict=True))
            number = sightings[uid][0]
            which = (number, row["feature_key"], row["name"])
            target.execute("DELETE FROM feature WHERE sighting_id = ? AND feature_key = ? AND name = ?", which)
            target.insert("feature", sighting_id=number, **row)
    return len({uid for uid, _, _ in keys})


def _arrays(database: Database, ids: list[int]) -> Iterator[tuple[Any, ...]]:
    columns = ", ".join(f"f.{column}" for column in _FEATURE)
    sql = f"SELECT s.uid, {columns} FROM feature f JOIN sighting s ON s.id = f.sighting_id WHERE f.id IN (?)"
    yield from database.rows(sql, (ids,))


def _without_thumbnail(database: Database) -> list[str]:
    return [uid for (uid,) in database.rows("SELECT uid FROM sighting WHERE live = 1 AND thumbnail IS NULL AND uid IS NOT NULL")]
