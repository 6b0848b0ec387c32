"""Worked projects that ship with the package: `mulle demo income`, `mulle demo digits`."""
