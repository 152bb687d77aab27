"""The camera-trap daemon: photos arrive in folders, answers accumulate in a ledger, and nothing is lost, whatever happens."""
