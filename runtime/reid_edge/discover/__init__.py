"""From photos of animals that nobody has named to groups, one for each individual."""

from reid_edge.discover.discovery import Discovery
from reid_edge.discover.report import DiscoveryReport

__all__ = ["Discovery", "DiscoveryReport"]
