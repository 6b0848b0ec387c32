"""Where work runs: in this process or in worker processes, found done when it was done before."""
