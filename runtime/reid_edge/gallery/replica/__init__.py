"""A replica: a copy of a gallery on a server in one SQLite file, with the server's row ids, for reading while the server is away.

It is made and kept up to date by the sequence of the server's events, one way, and by the ids of its feature rows. Decisions are made on
the server alone. Since ids are the same, whoever follows the events may change between the server and the replica.
"""

from reid_edge.gallery.replica.refreshing import Replica
from reid_edge.gallery.replica.replica_file import ReplicaState, open_replica, read_replica, undescribed_sightings

__all__ = ["Replica", "ReplicaState", "open_replica", "read_replica", "undescribed_sightings"]
