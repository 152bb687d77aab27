"""Who may do what with a gallery on a server, as roles of PostgreSQL."""

from __future__ import annotations

from reid_edge.errors import UsageError
from reid_edge.storage.address import Place, ServerAddress

READER, STATION, CURATOR = "reid_edge_reader", "reid_edge_station", "reid_edge_curator"


def role_statements(place: Place) -> list[str]:
    """The SQL that makes the three roles and grants their rights, which may be repeated; the owner of the gallery runs it.

    Raises:
        UsageError: the gallery is a file.
    """
    if not isinstance(place, ServerAddress):
        raise UsageError(f"{place} is a file, which has no roles.", "The permissions of the file say who may read and write it.")
    schema = f'"{place.schema}"'
    make = "DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
    return [
        *(make.format(role=role) for role in (READER, STATION, CURATOR)),
        f"GRANT {READER} TO {STATION};",
        f"GRANT {STATION} TO {CURATOR};",
        f"GRANT USAGE ON SCHEMA {schema} TO {READER};",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER};",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {READER};",
        f"GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {STATION};",
        f"REVOKE INSERT, UPDATE ON {schema}.migration FROM {STATION};",
        # An event that comes back from the hub takes the place of the one that was sent, and features that of earlier ones.
        f"GRANT DELETE ON {schema}.feature, {schema}.event TO {STATION};",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {STATION};",
        f"GRANT DELETE ON ALL TABLES IN SCHEMA {schema} TO {CURATOR};",
        f"REVOKE DELETE ON {schema}.migration FROM {CURATOR};",
    ]
