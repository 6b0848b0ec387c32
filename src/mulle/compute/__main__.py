"""``python -m mulle.compute DRIVER``: a worker process, bound to its driver before all else."""

from __future__ import annotations

import os
import sys


def end_with(parent: int) -> None:
    """End this process when its parent dies; elsewhere than on Linux the closed pipe does that.

    Parameters
    ----------
    parent
        The driver's process id.
    """
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415  # only Linux has the call
    import signal  # noqa: PLC0415  # as above

    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(0)


def main() -> None:
    """Bind this process to its driver, then do what that one orders."""
    end_with(int(sys.argv[1]))
    from mulle.compute.worker import serve  # noqa: PLC0415  # numpy: 0.1 s in which the driver may die

    serve()


if __name__ == "__main__":
    main()
