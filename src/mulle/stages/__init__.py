"""One turn of the wheel: seven stages, each a question with a gate."""
