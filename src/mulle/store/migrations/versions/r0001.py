"""Runs, events and units."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from mulle.store.tables import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first three tables."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("command", sa.String(400), nullable=False),
        sa.Column("page", sa.JSON, nullable=False),
        sa.Column("question", sa.String(64), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id"), nullable=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_index("events_of_run", "events", ["run_id", "kind"])
    op.create_index("events_of_kind", "events", ["kind"])
    op.create_table(
        "units",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("unit", sa.String(120), nullable=False),
        sa.Column("artifact", sa.String(64), nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id"), nullable=True),
        sa.Column("params", sa.JSON, nullable=False),
    )
    op.create_index("units_of_key", "units", ["key"])
    op.create_index("units_of_run", "units", ["run_id"])
