"""DAL A: the append-only, hash-chained log that is ledger, audit trail and recovery source."""
