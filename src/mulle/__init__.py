"""Mulle: a one-page project file in; a checked, explained, served model out."""

__version__ = "0.1.0"
