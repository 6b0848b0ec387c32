"""The smallest unit of work: it writes back what it was given, which shows that workers work."""

from __future__ import annotations

from mulle.core.work import Job, unit


@unit("compute.echo")
def echo(job: Job) -> None:
    """Write the parameters into ``echo.json``."""
    job.write("echo.json", job.params)
