"""Units that keep the arm that they met: what the hash can't know once a trial deals its units anew."""

from __future__ import annotations

from contextlib import closing

from mulle.server.served import Trial
from mulle.store.log import Exposure
from mulle.store.log.history import Wanted, entries
from mulle.store.log.readers import reader_of
from mulle.trials.assign import Assigned


def kept(url: str, trial: Trial, *, since: float) -> dict[str, Assigned]:
    """Return the units that met another arm, or by another chance, than they would be dealt now.

    Parameters
    ----------
    url
        Of the log, in which each unit's first exposure is.
    trial
        As units are dealt now.
    since
        When the trial began, seconds since 1970 UTC.

    Returns
    -------
    dict
        By unit the arm that it met first, and how likely that was then.

    Raises
    ------
    StoreError
        When the log can't be read.
    """
    found: dict[str, Assigned] = {}
    every: dict[Assigned, Assigned] = {}  # a few, shared by all units
    as_now: set[str] = set()
    reader, _ = reader_of(url)
    with closing(reader):
        for chunk in entries(reader, Exposure, Wanted(trial=trial.name, since=since)):
            for met in chunk:
                if met.unit in found or met.unit in as_now:
                    continue
                first = Assigned(arm=met.arm, propensity=met.propensity)
                if first == trial.assign(met.unit):
                    as_now.add(met.unit)
                else:
                    found[met.unit] = every.setdefault(first, first)
    return found
