"""How models come to be: fits by the fold, the search, the ensemble, and the one graph of what was chosen."""
