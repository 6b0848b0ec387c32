"""The parts of this folder are read as a user's own files, by the tests that need them."""

collect_ignore = ["parts"]
