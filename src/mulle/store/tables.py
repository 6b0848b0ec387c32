"""The ledger's tables. Rows are only ever added.

A change here needs a new revision under ``migrations/versions`` and a new `HEAD`; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

HEAD = "0001"
"""The newest revision, which the tables below describe."""


class Moment(TypeDecorator[datetime]):
    """A moment in UTC. SQLite has no time zones, so it is stored without and given back with."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store it in UTC."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give it back aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("command", String(400), nullable=False),
    Column("page", JSON, nullable=False),
    Column("question", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("versions", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(40), ForeignKey("runs.id"), nullable=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("body", JSON, nullable=False),
    Index("events_of_run", "run_id", "kind"),
    Index("events_of_kind", "kind"),
)

units = Table(
    "units",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False),
    Column("unit", String(120), nullable=False),
    Column("artifact", String(64), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("at", Moment, nullable=False),
    Column("run_id", String(40), ForeignKey("runs.id"), nullable=True),
    Column("params", JSON, nullable=False),
    Index("units_of_key", "key"),
    Index("units_of_run", "run_id"),
)

version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
