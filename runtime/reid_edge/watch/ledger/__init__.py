"""The ledger: the daemon's only truth, in one SQLite file."""
