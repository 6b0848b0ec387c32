"""The door for HTTP: who may ask, what is answered, and what is kept of it; see `mulle.server.run.serve`."""
