"""The door for people at a terminal: words in, text out. It decides nothing; `mulle.api` does."""
