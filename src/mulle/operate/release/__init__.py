"""From a candidate to the champion: shadow, canary, trial, promotion; each step one line in the ledger, each reversible."""
