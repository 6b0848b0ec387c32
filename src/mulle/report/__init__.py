"""Doors to people: figures drawn, and a run told on one page. Computes nothing."""
