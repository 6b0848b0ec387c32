"""``python -m mulle`` is ``mulle``."""

from mulle.cli.main import main

if __name__ == "__main__":
    main()
