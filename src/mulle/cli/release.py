"""The words that release: ``release start``, ``shadow``, ``canary``, ``trial``, ``judge``, ``promote``, ``rollback`` …"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from time import sleep
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from mulle.cli import option, voice
from mulle.cli.typed import typed
from mulle.core.errors import MulleError
from mulle.store.home import HOME

if TYPE_CHECKING:
    from mulle.operate.release.state import State, Version
    from mulle.operate.release.stood import Stood
    from mulle.operate.release.walk import Walk


log = logging.getLogger(__name__)

_log = click.option("--log", "url", metavar="URL", help="Where servers keep predictions.  [default: .mulle/log]")


def _with_those_before(ctx: click.Context, _: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Add the overrides that stand before a word to those behind it."""
    before = ctx.parent.params.get("overrides", ()) if ctx.parent else ()
    return tuple(dict.fromkeys((*before, *given)))


_override = click.option(
    "--override", "overrides", multiple=True, metavar="CHECK=REASON", callback=_with_those_before,
    help="Pass a check by name; the reason is kept.",
)  # fmt: skip
_why = click.option("--why", default="", metavar="REASON", help="Kept in the ledger.")
_share = click.FloatRange(0, 1, min_open=True)
_each = option.each(_override, _log, option.project, option.json)


@click.group(invoke_without_command=True)
@_each
@click.pass_context
def release(ctx: click.Context, *, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Bring a new bundle in beside the old, safely: shadow, canary, trial, promotion; each step reversible.

    Alone it says where the release stands and what the evidence is; nothing is changed, no look is counted.
    """
    if ctx.invoked_subcommand is not None:
        _hand_on(ctx, ctx.invoked_subcommand)
        return 0  # not told: click runs the other word next
    return _tell(_walk(page, url, overrides).stands(), json_=json_)


def _hand_on(ctx: click.Context, word: str) -> None:
    """Let options that stand before a word hold for it, as if they stood behind it; refuse those that it doesn't know."""
    given = {name: value for name, value in ctx.params.items() if ctx.get_parameter_source(name) in _TYPED}
    command = release.commands[word]
    known = {param.name for param in command.params}
    for param in ctx.command.params:
        if param.name in given and param.name not in known:
            raise click.NoSuchOption(param.opts[0], ctx=click.Context(command, info_name=word, parent=ctx))
    ctx.default_map = {word: given}


_TYPED = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


@release.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@_each
def start(*, bundle: Path | None, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Let a bundle in as a candidate: BUNDLE, else that of the last run. It must have been assessed."""
    from mulle.api.turns import last_run  # noqa: PLC0415

    path = bundle or last_run(page.absolute().parent, with_bundle=True) / "bundle"
    return _tell(_walk(page, url, overrides).start(path), json_=json_)


@release.command()
@click.option("--share", type=_share, help="Of the units; [release] mirror of the page when absent.")
@_each
def shadow(*, share: float | None, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Let the candidate answer a share of the requests once more; nobody hears it, the log keeps it."""
    return _tell(_walk(page, url, overrides).shadow(share), json_=json_)


@release.command()
@click.option("--share", type=_share, help="Of the units; when absent the next of 1, 5 and 25 %.")
@_each
def canary(*, share: float | None, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Let the challenger answer 1 % of the units; again, 5 %; again, 25 %. Leaves with 1 when a gate is shut."""
    return _tell(_walk(page, url, overrides).canary(share), json_=json_)


@release.command()
@click.option(
    "--mode", type=click.Choice(["fixed", "thompson"]),
    help="Shares that stay as they are, or that follow what is known; the page's when absent.",
)  # fmt: skip
@_each
def trial(*, mode: str | None, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Begin the trial; its size is fixed by the page's smallest effect and the log's traffic before anybody looks."""
    return _tell(_walk(page, url, overrides).trial(mode), json_=json_)


@release.command()
@_each
def judge(*, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Look at the trial when a look is due. The look counts; leaves with 1 unless it says promote."""
    return _tell(_walk(page, url, overrides).judge(), json_=json_)


@release.command()
@click.option(
    "--arm", type=click.Choice(["champion", "challenger"]), default="challenger", show_default=True,
    help="Whom all would have met.",
)  # fmt: skip
@option.each(_log, option.project, option.json)
def estimate(*, arm: str, url: str | None, page: Path, json_: bool) -> int:
    """Estimate the online metric as if all units had met one arm, from a canary or from a trial that is over.

    Leaves with 1 when the log doesn't tell.
    """
    found = _walk(page, url, ()).estimate("champion" if arm == "champion" else "challenger")
    if json_:
        voice.as_json({"arm": arm, "estimates": found})
    else:
        for one in found:
            voice.result(f"{one.method:14}{one.says}")
    return int(all(one.refused for one in found))


@release.command()
@_each
def promote(*, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Make the challenger the champion, when its trial says so. The first release ever needs no trial."""
    return _tell(_walk(page, url, overrides).promote(), json_=json_)


@release.command()
@option.each(_why, option.project, option.json)
def withdraw(*, why: str, page: Path, json_: bool) -> int:
    """Take the challenger back; the champion goes on."""
    return _back("withdraw", page, why, json_=json_)


@release.command()
@option.each(_why, option.project, option.json)
def rollback(*, why: str, page: Path, json_: bool) -> int:
    """Undo the last step that people met: withdraw a canary or a trial, else bring the former champion back.

    Nobody meets a candidate or a shadow: while one is under way the champion is taken back, and the other with it.
    To end a shadow alone: mulle release withdraw. It says what it did, and how to have that again.
    """
    return _back("rollback", page, why, json_=json_)


@release.command()
@click.option("--every", default=30.0, show_default=True, type=click.FloatRange(min=1), metavar="SECONDS")
@click.option("--once", is_flag=True, help="Look once; for a scheduler.")
@_each
def watch(*, every: float, once: bool, overrides: Sequence[str], url: str | None, page: Path, json_: bool) -> int:
    """Take a challenger back as soon as it breaks a guardrail, and deal units anew in a trial by Thompson sampling.

    Ends when no release is under way. A look that fails is told, and the next one is made; servers tell how long
    ago the last good one was (mulle_release_unwatched_seconds).
    """
    walk = _walk(page, url, overrides)
    if once:
        return _tell(walk.watch(), json_=json_)
    said: set[str] = set()
    while True:
        stood = _looked(walk, said)
        if stood is not None and stood.state.challenger is None:
            return _tell(stood, json_=json_)
        if stood is not None and stood.dealt is not None:
            voice.say(_dealt(stood.dealt))
        sleep(every)


def _looked(walk: Walk, said: set[str]) -> Stood | None:
    """Look once; say what can't be answered, once, and what went wrong, each time. None when the look failed."""
    try:
        stood = walk.watch()
    except MulleError as error:
        voice.say(f"{_moment()}  this look failed, and nobody watches the challenger: {error}")
        return None
    except Exception:  # nobody else takes a bad challenger back: whoever watches has to go on
        log.exception("%s  this look failed, and nobody watches the challenger: a fault of ours", _moment())
        return None
    blind = [check for check in stood.evidence.checks if check.name.startswith(_BLIND)] if stood.evidence else []
    for check in blind:
        if check.name not in said:
            voice.say(f"{_moment()}  {check.says}\n  {check.fix}")
    said |= {check.name for check in blind}
    return stood


_BLIND = ("release.log", "release.outlier.")
"""Checks without which a guardrail sees nothing."""


def _moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


# ---------------------------------------------------------------- told


def _walk(page: Path, url: str | None, overrides: Sequence[str]) -> Walk:
    from mulle.core.page_file import load_page  # noqa: PLC0415  # not the whole of `mulle.api`
    from mulle.operate.release.walk import Walk, reasons  # noqa: PLC0415

    held, home = load_page(page), option.home_of(page)
    costs = held.objective.costs
    return Walk(
        home=home,
        page=held.release,
        log=url or home / "log",
        overrides=reasons(overrides),
        currency="" if isinstance(costs, str) else costs.currency,
        limits=held.limits,
        slices=held.slices,
    )


def _back(step: Literal["withdraw", "rollback"], page: Path, why: str, *, json_: bool) -> int:
    """Go a step back. It reads no page, no log and no bundle: nothing that is amiss there holds it up."""
    from mulle.operate.release.steps import Releases  # noqa: PLC0415
    from mulle.operate.release.stood import Stood  # noqa: PLC0415

    before, state = Releases(option.home_of(page)).back(step, why=why)
    return _tell(Stood(state=state, moved=True, says=_undone(before, state, page)), json_=json_)


def _undone(before: State, state: State, page: Path) -> str:
    """Say what a step back did, and how to have again what it took."""
    from mulle.operate.release.state import STEPS  # noqa: PLC0415

    held, was, now = before.challenger, before.champion, state.champion
    gone = f"{held.version.bundle[:16]} (at the step '{held.step}')" if held else ""
    if was is None or now is None or was.bundle == now.bundle:
        return f"The challenger {gone} was withdrawn; {'the champion goes on' if now else 'nobody is champion yet'}."
    also = f" The challenger {gone}, which nobody met, was withdrawn with it." if held else ""
    start = typed(f"mulle release start {quote(str(page.parent / HOME / was.folder))}", page)
    again = f"{start}{_by_name(was)}, then {typed('mulle release promote', page)}{_waved(STEPS)}"
    return f"The champion {was.bundle[:16]} was taken back; {now.bundle[:16]} is champion again.{also}\nUndo: {again}"


def _by_name(version: Version) -> str:
    """Return what has to be passed by name once more to let a version in again."""
    from mulle.operate.release.state import ASSESSED, REQUEST  # noqa: PLC0415

    return "".join(_waved(name) for name, why in ((ASSESSED, version.override), (REQUEST, version.request)) if why)


def _waved(name: str) -> str:
    return f' --override "{name}=REASON"'


def _tell(stood: Stood, *, json_: bool) -> int:
    shut = stood.evidence is not None and not stood.moved and not stood.open
    ruled = stood.evidence.ruling if stood.evidence else None
    code = int(shut or (ruled is not None and ruled.decision != "promote"))
    if json_:
        voice.as_json(_as_json(stood))
        return code
    said = [stood.says, ""] if stood.says else []
    for line in [*said, *_state_lines(stood.state), *_evidence_lines(stood)]:
        voice.result(line)
    return code


def _as_json(stood: Stood) -> dict[str, Any]:
    state, found = stood.state, stood.evidence
    return {
        "champion": state.champion,
        "former": list(state.former),
        "undone": list(state.undone),
        "challenger": state.challenger,
        "moved": stood.moved,
        "dealt": stood.dealt,
        "held_up": stood.held_up,
        "says": stood.says or (found.says if found else ""),
        "checks": list(found.checks) if found else [],
        "decision": found.ruling.decision if found and found.ruling else None,
        "next": _next(stood),
    }


def _state_lines(state: State) -> list[str]:
    lines = [f"{_dim('champion  ')}  {_version(state.champion) if state.champion else 'nobody yet'}"]
    held = state.challenger
    if held is not None:
        of = "units that come now, by Thompson sampling" if held.mode == "thompson" else "units"
        share = f", {held.share:.0%} of the {of}" if held.share else ""
        step = click.style(f"{held.step}{share}", fg="yellow", bold=True)
        lines.append(f"{_dim('challenger')}  {_version(held.version)}  {step}")
    if state.former:
        lines.append(f"{_dim('before    ')}  {', '.join(v.bundle[:16] for v in state.former)}")
    if state.undone:
        lines.append(f"{_dim('undone    ')}  {', '.join(v.bundle[:16] for v in state.undone)}")
    return lines


def _version(version: Version) -> str:
    override = click.style(f"  let in although a draft: {version.override}", fg="yellow") if version.override else ""
    run = f" (run {version.run})" if version.run else ""
    return f"{click.style(version.bundle[:16], bold=True)}{run}{override}"


def _evidence_lines(stood: Stood) -> list[str]:
    from mulle.cli.lines import mark  # noqa: PLC0415  # NumPy, by way of checks
    from mulle.core.check import Status  # noqa: PLC0415

    lines, found = [], stood.evidence
    if found is not None:
        lines = ["", *([_held_up(stood.held_up)] if stood.held_up else []), found.says]
        for check in found.checks:
            passed = Status.PASS if check.override else Status(check.status)
            reason = f"  [passed by name: {check.override}]" if check.override else ""
            lines.append(f"  {mark(passed)} {check.says}{reason}")
            if check.fix and passed in (Status.FAIL, Status.UNANSWERED):
                lines.append(f"    {_dim(f'{check.name}: {check.fix}')}")
        lines += [f"  {_dim(note)}" for note in found.notes]
    if stood.dealt is not None:
        lines += ["", _dealt(stood.dealt)]
    told = _next(stood)
    return [*lines, "", f"{_dim('next')}  {click.style(told, fg='cyan', bold=True)}"] if told else lines


def _held_up(step: str) -> str:
    what = f'No {step} yet: nothing was changed. Its checks must pass, or be passed by name: --override "CHECK=REASON"'
    return click.style(what, fg="yellow")


def _dealt(told: Mapping[str, Any]) -> str:
    return f"From now on {told['share']:.2%} of the units that come meet the challenger; who has met a model keeps it."


def _next(stood: Stood) -> str:
    state, found = stood.state, stood.evidence
    if state.challenger is None:
        return "mulle serve" if stood.moved and state.champion else "mulle release start"
    if state.champion is None:
        return "mulle release promote"
    if found is not None and (found.ruling or not stood.moved):
        return found.next if stood.open or found.ruling else "mulle release"
    if state.challenger.step == "canary" and state.challenger.share >= _FULL:
        return "mulle release trial"
    return _AFTER[str(state.challenger.step)]


_FULL = 0.25
_AFTER = {
    "candidate": "mulle release shadow",
    "shadow": "mulle release canary",
    "canary": "mulle release canary",
    "trial": "mulle release judge",
}


def _dim(words: str) -> str:
    return click.style(words, dim=True)
