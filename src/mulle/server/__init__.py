"""The door for HTTP. Its room is kept; nothing is built yet."""
