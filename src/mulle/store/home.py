"""Where all that can be made anew lies beside a page. By itself, so that a word that only looks there starts at once."""

HOME = ".mulle"
"""The folder's name."""
