"""Where things lie: the ledger, the artifacts, the lock, and the sources of rows."""
