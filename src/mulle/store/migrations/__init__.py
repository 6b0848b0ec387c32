"""Steps that bring an older ledger up to date, run by alembic when one is opened."""
