"""The whole of one synchronisation: each step may be stopped at any moment, and the next run goes on where it stopped."""

from __future__ import annotations

from dataclasses import dataclass

from reid_edge.errors import GalleryError
from reid_edge.gallery.store import Gallery
from reid_edge.gallery.sync.features import exchange_features
from reid_edge.gallery.sync.pending import pending_events
from reid_edge.gallery.sync.replay import Replay
from reid_edge.gallery.sync.rows import last_sequences, name_rows, own_station
from reid_edge.gallery.sync.takeover import take_over
from reid_edge.storage.database import Database


@dataclass(frozen=True)
class SyncReport:
    """What a synchronisation did.

    Attributes:
        sent: decisions of the station that the hub got.
        questions: how many questions arose of them.
        received: decisions of others that the station got.
        features_sent, features_received: sightings of which features were copied.
    """

    sent: int
    questions: int
    received: int
    features_sent: int
    features_received: int


def synchronise(station: Gallery, hub: Gallery) -> SyncReport:
    """Bring the decisions of a station to a hub and those of the hub to the station; then both have the same content hash.

    It may be stopped at any moment and be repeated: what was transferred is not transferred again. Nobody else has to wait for it but for
    single transactions.

    Args:
        station: writable.
        hub: writable; the one that this station always synchronises with.

    Raises:
        GalleryError: the station synchronises with another hub, is the hub, or is a copy of a gallery that went on by itself.
        GalleryError, StorageError: one of them cannot be read or written; what was transferred until then stays.
    """
    here, there = station.database, hub.database
    _check_pair(here, there)
    name_rows(here)
    name_rows(there)
    sent = received = questions = 0
    while True:
        replay = Replay(here, there)
        done = sum(replay.repeat(event) for event in pending_events(here, last_sequences(there)))
        sent, questions = sent + done, questions + replay.questions
        taken = take_over(here, there)
        if taken is not None:
            received += taken
            break
    features_sent, features_received = exchange_features(here, there)
    return SyncReport(sent, questions, max(0, received - sent), features_sent, features_received)


def _check_pair(station: Database, hub: Database) -> None:
    own, other = own_station(station), own_station(hub)
    if own == other:
        raise GalleryError(
            f"{station.path} and {hub.path} are copies of one gallery.",
            "Make the hub with gallery init, and synchronise each station.",
        )
    for (name,) in station.rows("SELECT station FROM synchronised"):
        if name != other:
            raise GalleryError(
                f"The gallery {station.path} synchronises with another gallery than {hub.path}.",
                "Name that one; to change over, export it and import it into a new gallery.",
            )
    ours, theirs = last_sequences(station), last_sequences(hub)
    for name in ours.keys() & theirs.keys():
        last = (name, min(ours[name], theirs[name]))
        sql = "SELECT batch FROM event WHERE station = ? AND sequence = ?"
        if station.rows(sql, last) != hub.rows(sql, last):
            raise GalleryError(
                f"The gallery {station.path} is a copy of one that went on by itself, which {hub.path} has already.",
                "Export this one and import it into the one that goes on.",
            )
