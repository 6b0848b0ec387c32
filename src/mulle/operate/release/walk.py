"""The walk of a release: each step asks the evidence first, and is taken only when its gate is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mulle.core.check import Check, Status, Verdict, verdict
from mulle.core.clock import now
from mulle.core.errors import StoreError, UnknownName
from mulle.core.project import LimitsPart, ReleasePart, SlicePart
from mulle.operate.release import trial as live_trial
from mulle.operate.release.criteria import Criteria
from mulle.operate.release.estimate import Target, estimates
from mulle.operate.release.evidence import Evidence, of_canary, of_shadow
from mulle.operate.release.guards import silent
from mulle.operate.release.online import OnlineLog
from mulle.operate.release.slices import Slices
from mulle.operate.release.state import ASSESSED, RAMP, REQUEST, STEPS, WATCHED, Challenger, Refused, State, Step
from mulle.operate.release.steps import Releases, new_salt
from mulle.operate.release.stood import Stood
from mulle.runtime.bundle import Bundle
from mulle.trials.off_policy import OffPolicy


@dataclass(kw_only=True)
class Walk:
    """The releases of one project, step by step.

    Parameters
    ----------
    home
        The folder ``.mulle``.
    page
        ``[release]`` of the project file.
    log
        Where servers keep predictions and feedback.
    overrides
        Reasons by the name of a check.
    currency
        Of the costs, for what a release is worth.
    limits, slices
        Of the page: how fast a shadow must be, and on which rows it is compared with the champion by themselves.
    """

    home: Path
    page: ReleasePart
    log: str | Path
    overrides: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    limits: LimitsPart = field(default_factory=LimitsPart)
    slices: Sequence[SlicePart] = ()

    @property
    def _releases(self) -> Releases:
        return Releases(self.home)

    def stands(self) -> Stood:
        """Say where the release stands; nothing is changed, and no look is counted."""
        state = self._releases.state()
        if state.challenger is None or state.champion is None:
            return Stood(state=state)
        return Stood(state=state, evidence=self._evidence(state.challenger))

    def start(self, bundle: Path) -> Stood:
        """Let a bundle in as a candidate. The first one ever has nobody to be compared with: promote it."""
        self._known({ASSESSED})
        draft, request = self.overrides.get(ASSESSED, ""), self.overrides.get(REQUEST, "")
        return Stood(state=self._releases.start(bundle, override=draft, request=request), moved=True)

    def shadow(self, share: float | None = None) -> Stood:
        """Let the candidate answer a share of the requests once more; nobody hears it."""
        self._known(set())
        state = self._releases.do("shadow", share=share or self.page.mirror, salt=new_salt())
        return Stood(state=state, moved=True)

    def canary(self, share: float | None = None) -> Stood:
        """Let the challenger answer a few units, and then more: 1, 5, 25 %."""
        held = self._challenger()
        self._in_order(held, {Step.SHADOW, Step.CANARY}, "a shadow comes before a canary")
        found = self._evidence(held)
        if verdict(found.checks) is not Verdict.OPEN:
            return Stood(state=self._releases.state(), evidence=found, held_up="canary")
        grown = share or next_share(held)
        salt = held.salt if held.step is Step.CANARY else new_salt()
        told = {"release": held.number, "overrides": dict(self.overrides)}
        state = self._releases.do("canary", share=grown, salt=salt, **told)
        return Stood(state=state, evidence=found, moved=True)

    def trial(self, mode: str | None = None) -> Stood:
        """Begin the trial, its size fixed before anybody looks; the mode is the page's when absent."""
        held = self._challenger()
        self._in_order(held, {Step.CANARY}, "a canary comes before a trial")
        if held.step is Step.CANARY and held.share < RAMP[-1]:
            self._need(
                STEPS, f"the canary has {held.share:.0%} of the units; it grows to {RAMP[-1]:.0%} before a trial"
            )
        found = self._evidence(held)
        if verdict(found.checks) is not Verdict.OPEN:
            return Stood(state=self._releases.state(), evidence=found, held_up="trial")
        page = self.page if mode is None else self.page.model_copy(update={"mode": mode})
        design = live_trial.planned(OnlineLog(self.log), page, self._criteria, at=now())
        told = {"release": held.number, "overrides": dict(self.overrides)}
        state = self._releases.do("trial", share=design["share"], salt=new_salt(), design=design, **told)
        return Stood(state=state, evidence=replace(found, says=live_trial.plan_of(design)), moved=True)

    def judge(self) -> Stood:
        """Look at the trial, when a look is due; the look counts, and is recorded. Units are dealt anew when that is due."""
        held = self._challenger()
        if held.step is not Step.TRIAL:
            return self.stands()
        if live_trial.next_look(held) is None:
            told = live_trial.verdict_of(OnlineLog(self.log), held, self.overrides)
            return Stood(state=self._releases.state(), evidence=told)
        try:
            looked = self._look(held)
        except Refused:
            dealt = self._deal()
            if dealt is None:
                raise
            return dealt
        ruling = looked.evidence.ruling if looked.evidence else None
        dealt = self._deal() if ruling is None or ruling.decision == "inconclusive" else None
        return (
            looked
            if dealt is None
            else Stood(state=dealt.state, evidence=looked.evidence, moved=True, dealt=dealt.dealt)
        )

    def _look(self, held: Challenger) -> Stood:
        found, told = live_trial.look(OnlineLog(self.log), held, self._criteria, at=now(), overrides=self.overrides)
        self._known({check.name for check in told.checks})
        body = {"release": held.number, "look": len(held.looks), "overrides": dict(self.overrides)}
        state = self._releases.do("look", found=found, says=told.says, **body)
        return Stood(state=state, evidence=told, moved=True)

    def _deal(self) -> Stood | None:
        """Deal those units anew that come from now on, when that is due and something is known of both arms."""
        held = self._challenger()
        if held.step is not Step.TRIAL:
            return None
        try:
            dealt = live_trial.deal(OnlineLog(self.log), held)
            if dealt is None:
                return None
            state = self._releases.do("deal", release=held.number, deal=len(held.dealt), **dealt)
        except Refused:  # no feedback yet, or somebody else dealt: the shares stay as they are
            return None
        return Stood(state=state, moved=True, dealt={**dealt["found"], "share": dealt["share"]})

    def estimate(self, arm: Target = "challenger") -> list[OffPolicy]:
        """Estimate the online metric as if all had met one arm; nothing is changed, and no look is counted."""
        return estimates(OnlineLog(self.log), self._challenger(), self._criteria, arm=arm)

    def promote(self) -> Stood:
        """Make the challenger the champion: after a trial that says so, or when there is no champion yet."""
        state, held = self._releases.state(), self._challenger()
        if state.champion is None:
            return Stood(state=self._releases.do("promote"), moved=True)
        if held.step is not Step.TRIAL:
            self._need(STEPS, f"the challenger is at the step '{held.step}'; a trial comes before its promotion")
            return Stood(state=self._promoted(held), moved=True)
        if not held.looks:
            self._need(STEPS, "nobody has looked at the trial yet: mulle release judge")
            return Stood(state=self._promoted(held), moved=True)
        ruling = live_trial.again(OnlineLog(self.log), held, self.overrides)
        self._known({check.name for check in ruling.checks})
        told = Evidence(checks=ruling.checks, says=ruling.says, next="", ruling=ruling)
        if ruling.decision != "promote":
            return Stood(state=state, evidence=told, held_up="promotion")
        return Stood(state=self._promoted(held, says=ruling.says), evidence=told, moved=True)

    def _promoted(self, held: Challenger, **body: object) -> State:
        return self._releases.do("promote", release=held.number, overrides=dict(self.overrides), **body)

    def watch(self) -> Stood:
        """Look once, and take a challenger back that breaks a guardrail or whose units get lost.

        Else nothing is changed, but that under Thompson sampling units are dealt anew when that is due.
        """
        stood = self._watched()
        (self.home / WATCHED).touch()  # a look that failed leaves the old one: servers tell how long ago that was
        return stood

    def _watched(self) -> Stood:
        stood = self.stands()
        broken = [check for check in stood.evidence.checks if _breaks(check)] if stood.evidence else []
        if stood.state.challenger is None or stood.state.challenger.step is Step.SHADOW:
            return stood
        if not broken:
            return self._deal() or stood
        why = "; ".join(check.says for check in broken)
        state = self._releases.do("withdraw", why=why, release=stood.state.challenger.number)
        return Stood(state=state, evidence=stood.evidence, moved=True)

    # ---------------------------------------------------------------- inside

    def _challenger(self) -> Challenger:
        held = self._releases.state().challenger
        if held is None:
            raise Refused("no release is under way", where="mulle release", fix="mulle release start")
        return held

    def _evidence(self, held: Challenger) -> Evidence:
        found = self._found(held)
        found = replace(found, checks=(*found.checks, *self._silent(held)))
        self._known({check.name for check in found.checks} | {STEPS})
        checks = tuple(self._overridden(check) for check in found.checks)
        return Evidence(checks=checks, says=found.says, next=found.next, notes=found.notes, ruling=found.ruling)

    def _found(self, held: Challenger) -> Evidence:
        """Read what the log holds of a challenger's present step; looking at a trial by this counts no look."""
        log = OnlineLog(self.log)
        if held.step is Step.CANDIDATE:
            return Evidence(checks=(), says="The candidate has met nobody yet.", next="mulle release shadow")
        if held.step is Step.SHADOW:
            pairs = log.pairs(since=held.since)
            return of_shadow(pairs, self.page, limit_ms=self.limits.latency_ms_p95, slices=self._slices())
        if held.step is Step.CANARY:
            return of_canary(log.trial(held.trial, since=held.since), held, self.page, self._criteria)
        return live_trial.progress(log, held, self._criteria, at=now())

    def _silent(self, held: Challenger) -> list[Check]:
        """Ask whether this is the log that servers write: where it isn't, everything looks as if nobody came."""
        log = OnlineLog(self.log)
        if held.step is Step.CANDIDATE or not log.silent(since=held.since):
            return []
        return [silent(held, log.where)]

    def _slices(self) -> Slices:
        """Return the page's slices over the champion's request, by which the logged rows were read."""
        champion = self._releases.state().champion
        if not self.slices or champion is None:
            return Slices()
        bundle = Bundle.load(self._releases.version_folder(champion))
        return Slices(parts=self.slices, request=bundle.manifest.request)

    @property
    def _criteria(self) -> Criteria:
        return Criteria.of(self.page, self.currency)

    def _overridden(self, check: Check) -> Check:
        reason = self.overrides.get(check.name)
        return check.overridden(reason) if reason and check.status != Status.PASS else check

    def _in_order(self, held: Challenger, steps: set[Step], why: str) -> None:
        if held.step not in steps:
            self._need(STEPS, why)

    def _need(self, name: str, what: str) -> None:
        if name not in self.overrides:
            raise Refused(what, where="mulle release", fix=f'or, by name: --override "{name}=REASON"')

    def _known(self, names: set[str]) -> None:
        for name in self.overrides:
            if name not in names | {ASSESSED, REQUEST, STEPS}:
                raise UnknownName.among(name, sorted(names | {STEPS}), noun="check", where="--override")


def _breaks(check: Check) -> bool:
    guarding = check.name.startswith("release.guardrail.") or check.name == "release.ratio"
    return guarding and check.status == Status.FAIL and not check.override


def next_share(held: Challenger) -> float:
    """Return the share of the units that a canary grows to.

    Raises
    ------
    Refused
        When it has grown as far as a canary does.
    """
    if held.step is not Step.CANARY:
        return RAMP[0]
    larger = [share for share in RAMP if share > held.share]
    if not larger:
        raise Refused(f"the canary has {held.share:.0%} already", where="mulle release", fix="mulle release trial")
    return larger[0]


def reasons(texts: Sequence[str]) -> dict[str, str]:
    """Read overrides from the command line.

    Raises
    ------
    StoreError
        When one has no reason, or a short one.

    Examples
    --------
    >>> reasons(["release.agreement=it should decide otherwise: new policy"])
    {'release.agreement': 'it should decide otherwise: new policy'}
    """
    found = {}
    for text in texts:
        name, _, reason = text.partition("=")
        if len(reason.strip()) < _LEAST_REASON:
            what = f"an override needs a reason of at least {_LEAST_REASON} letters"
            raise StoreError(what, where=f"--override {name}", fix='--override "release.agreement=REASON"')
        found[name.strip()] = reason.strip()
    return found


_LEAST_REASON = 10
