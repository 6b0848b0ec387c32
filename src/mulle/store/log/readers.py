"""Opening a log to look things up, while another process may write it: the one place that knows the kinds of address."""

from __future__ import annotations

from pathlib import Path

from mulle.store.log.place import Place, is_postgres
from mulle.store.log.reading import Reader, SQLiteReader


def reader_of(url: str | Path) -> tuple[Reader, Path | None]:
    """Open a log for reading.

    Parameters
    ----------
    url
        A folder, a file, or a PostgreSQL address. Nothing is made where nothing is.

    Returns
    -------
    reader : Reader
        To be closed.
    rotated : Path or None
        The folder of rotated files; None for PostgreSQL, which rotates nothing.

    Raises
    ------
    ProjectError
        When the address is of no known kind.
    MissingExtra
        When it is PostgreSQL's and the driver isn't installed.
    """
    if is_postgres(url):
        from mulle.store.log.postgres import PostgresReader  # noqa: PLC0415  # the driver is an extra

        return PostgresReader(str(url)), None
    place = Place.of(url)
    return SQLiteReader(place), place.rotated
