"""What alembic runs: the steps, on the connection that the ledger handed in."""

from __future__ import annotations

from alembic import context

if hasattr(context, "config"):  # absent when a test collector imports this file by itself
    context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
    context.run_migrations()
