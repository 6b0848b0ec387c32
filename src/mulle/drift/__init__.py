"""Whether two sets of rows come from one source, one detector a file."""
