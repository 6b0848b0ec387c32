"""Ask whether the statistics of a release keep their promises, on simulated trials whose truth is known.

- A/A trials with 20 looks: how often each way of looking finds a difference that is not there. Goal: 5.5 % or less.
- Trials with an effect that a single look would find in 80 %: how often each finds it. Goal: .95 of that, or more.
- Sample ratio: false alarms. Goal: .1 %, for one look.
- Assignment: a million ids over 10,000 buckets; two trials side by side; time. Goal: 3 µs or less.
- Thompson sampling beside fixed halves: false alarms, how often each finds a difference, and how many units it costs.
- Guardrails watched at 50 looks of a canary of 1 %; and how often the intervals of each estimate hold the truth.

Run: ``OMP_NUM_THREADS=1 python benchmarks/release_statistics.py [TRIALS]`` (2,000 by default; about four minutes).
"""

# the numbers are the simulation

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable
from time import process_time

import numpy as np
from numpy.typing import NDArray

from mulle.trials.always import LEAST_UNITS, guard, reach
from mulle.trials.assign import N_BUCKETS, Arms, Assignment, bucket, key_of
from mulle.trials.cuped import cuped
from mulle.trials.delta import ratio
from mulle.trials.effect import Effect, effect
from mulle.trials.moments import Moments
from mulle.trials.off_policy import off_policy
from mulle.trials.power import size, size_of_share
from mulle.trials.ratio_check import check_ratio
from mulle.trials.sequential import inflation, judge, looks
from mulle.trials.thompson import BetaBelief, batch_effect, believed, standardised, thompson

Floats = NDArray[np.float64]
N_LOOKS = 20
BASE = 0.10
N_ARM = 20_000
HALVES = {"champion": 0.5, "candidate": 0.5}


def row(name: str, value: str, goal: str = "") -> None:
    """Print a line of the table."""
    print(f"{name:<78} {value:>18}  {goal}".rstrip())


def share(hits: NDArray[np.bool_]) -> str:
    """Return a percentage with its standard error."""
    p = float(hits.mean())
    return f"{100 * p:.2f} % ± {100 * (p * (1 - p) / hits.size) ** 0.5:.2f}"


def binary_looks(n: int, lift: float, rng: np.random.Generator, n_arm: int = N_ARM) -> tuple[Floats, Floats]:
    """Return effects and standard errors ``[trials, looks]`` of a yes or no."""
    step = n_arm // N_LOOKS
    seen = step * np.arange(1, N_LOOKS + 1)
    rates = [np.cumsum(rng.binomial(step, p, (n, N_LOOKS)), axis=1) / seen for p in (BASE, BASE + lift)]
    variance = sum(p * (1 - p) / (seen - 1) for p in rates)
    return rates[1] - rates[0], np.sqrt(variance)


def revenue_looks(n: int, lift: float, rng: np.random.Generator, n_arm: int = N_ARM) -> tuple[Floats, Floats]:
    """Return the same of a revenue: one in ten units pays, log-normal with a heavy tail (σ of 1)."""
    step, value, error = n_arm // N_LOOKS, np.empty((n, N_LOOKS)), np.empty((n, N_LOOKS))
    seen = step * np.arange(1, N_LOOKS + 1)
    for trial in range(n):
        means, variances = [], []
        for more in (0.0, lift):
            paid = (rng.random((N_LOOKS, step)) < BASE) * rng.lognormal(2.0, 1.0, (N_LOOKS, step)) * (1 + more)
            total, squares = np.cumsum(paid.sum(axis=1)), np.cumsum((paid**2).sum(axis=1))
            means.append(total / seen)
            variances.append((squares / seen - means[-1] ** 2) / (seen - 1))
        value[trial], error[trial] = means[1] - means[0], np.sqrt(variances[0] + variances[1])
    return value, error


def ever(value: Floats, error: Floats, bounds: Iterable[float]) -> NDArray[np.bool_]:
    """Return which trials crossed a boundary at any look."""
    crossed: NDArray[np.bool_] = (np.abs(value / error) >= np.array(list(bounds))).any(axis=1)
    return crossed


def boundaries() -> dict[str, list[float]]:
    """Return the boundaries of each way of looking, in standard errors."""
    n_units = [2 * N_ARM * (i + 1) // N_LOOKS for i in range(N_LOOKS)]
    return {
        "one look at the end": [np.inf] * (N_LOOKS - 1) + [1.959964],
        "peeking, p < .05 at any look": [1.959964] * N_LOOKS,
        "O'Brien-Fleming": [look.bound for look in looks([(i + 1) / N_LOOKS for i in range(N_LOOKS)])],
        "always valid": [reach(n) for n in n_units],
    }


def alarms(n: int, rng: np.random.Generator) -> None:
    """Print false alarms and power."""
    detected = {}
    lift = 0.01
    n_fixed = size_of_share(BASE, lift).n_control
    print(f"\nFalse alarms, {N_LOOKS} looks, {N_ARM:,} units an arm, {n:,} A/A trials")
    for kind, draw in {"yes or no (10 %)": binary_looks, "revenue, heavy tail": revenue_looks}.items():
        value, error = draw(n, 0.0, rng)
        for name, bounds in boundaries().items():
            row(f"  {kind}: {name}", share(ever(value, error, bounds)), "<= 5.5 %" if name == "O'Brien-Fleming" else "")
    many_value, many_error = binary_looks(20 * n, 0.0, rng)
    for name, bounds in boundaries().items():
        row(f"  yes or no, {20 * n:,} trials: {name}", share(ever(many_value, many_error, bounds)))
    print(f"\nPower for 10 % to 11 %, {n_fixed:,} units an arm: enough for 80 % with one look; {10 * n:,} trials")
    value, error = binary_looks(10 * n, lift, rng, n_fixed)
    for name, bounds in boundaries().items():
        detected[name] = ever(value, error, bounds)
        if "peeking" not in name:
            row(f"  {name}", share(detected[name]))
    got, fixed = detected["O'Brien-Fleming"].mean(), detected["one look at the end"].mean()
    row("  O'Brien-Fleming over one look", f"{got / fixed:.3f}", ">= .95")
    bounds = np.array(boundaries()["O'Brien-Fleming"])
    crossed = np.abs(value / error) >= bounds
    used = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, N_LOOKS) / N_LOOKS
    row("  units used by O'Brien-Fleming, on average", f"{used.mean():.2f} of the plan")
    larger = n_fixed * inflation(N_LOOKS)
    value, error = binary_looks(10 * n, lift, rng, int(larger / N_LOOKS) * N_LOOKS)
    row(f"  O'Brien-Fleming with {100 * (inflation(N_LOOKS) - 1):.1f} % more units", share(ever(value, error, bounds)))


def on_stopping(n: int, rng: np.random.Generator) -> None:
    """Print whether what `judge` says on stopping holds, with looks at random times."""
    holds, above, seen, naive, alarm = [], [], [], [], []
    for trial in range(n):
        truth = [0.0, 0.006, 0.012][trial % 3]
        result = _one_trial(truth, rng)
        holds.append(result.interval.low <= truth <= result.interval.high)
        naive.append(abs(result.effect.value - truth) <= 1.959964 * result.effect.se)
        if truth:
            above.append(result.estimate > truth)
            seen.append(result.effect.value > truth)
        else:
            alarm.append(result.crossed != "no")
    print(f"\nOn stopping, 3 to 12 looks at random times, {n:,} trials")
    row("  adjusted interval holds the truth", share(np.array(holds)), "95 %")
    row("  unadjusted interval holds the truth (for comparison)", share(np.array(naive)))
    row("  adjusted estimate is above the truth", share(np.array(above)), "50 %")
    row("  what was seen is above the truth (for comparison)", share(np.array(seen)))
    row("  false alarms", share(np.array(alarm)), "<= 5.5 %")


def _one_trial(truth: float, rng: np.random.Generator):  # noqa: ANN202
    times = np.unique(np.append(np.sort(rng.integers(1000, N_ARM, rng.integers(2, 12))), N_ARM))
    yes = [np.cumsum(rng.binomial(np.diff(times, prepend=0), BASE + d)) for d in (0.0, truth)]
    effects: list[Effect] = []
    for i, at in enumerate(times):
        effects.append(effect(*(Moments.share(int(arm[i]), int(at)) for arm in yes)))
        z, t = abs(effects[-1].z), at / N_ARM
        if t >= 1 or z >= looks([float(x) / N_ARM for x in times[: i + 1]])[-1].bound:
            break
    return judge(effects, 2 * N_ARM)


def ratios(n: int, rng: np.random.Generator) -> None:
    """Print false alarms and power of the sample-ratio check."""
    print("\nSample ratio, alpha = .001")
    plans = {"50/50": HALVES, "99/1": {"a": 0.99, "b": 0.01}, "four arms": dict.fromkeys("abcd", 0.25)}
    for name, plan in plans.items():
        p = list(plan.values())
        found = [
            check_ratio(dict(zip(plan, c.tolist(), strict=True)), plan) for c in rng.multinomial(20_000, p, 20 * n)
        ]
        row(f"  {name}, 20,000 units: false alarms at one look", share(np.array([f.blocks for f in found])), ".1 %")
    row("  50/50, 20,000 units: exactly, by the binomial", f"{100 * _exact_level(20_000):.3f} %", ".1 %")
    chi, always = [], []
    for _ in range(n):
        counts, before = np.cumsum(rng.multinomial(2000, [0.5, 0.5], N_LOOKS), axis=0), 1.0
        ps = []
        for c in counts:
            found_now = check_ratio(dict(zip(HALVES, c.tolist(), strict=True)), HALVES, before=before)
            before = found_now.always_p
            ps.append(found_now.p)
        chi.append(min(ps) < 0.001)
        always.append(before < 0.001)
    row(f"  chi-square at any of {N_LOOKS} looks", share(np.array(chi)))
    row(f"  the always-valid test at any of {N_LOOKS} looks", share(np.array(always)), "<= .1 %")
    for units in (10_000, 30_000, 100_000):
        found = [
            check_ratio(dict(zip(HALVES, c.tolist(), strict=True)), HALVES)
            for c in rng.multinomial(units, [0.51, 0.49], n)
        ]
        row(
            f"  51/49 for 50/50 noticed with {units:,} units (said: {100 * found[0].power:.1f} %)",
            share(np.array([f.blocks for f in found])),
        )


def _exact_level(n: int) -> float:
    """Return the chance of a false alarm at one look, summed over all counts."""
    from scipy.stats import binom

    blocked = [check_ratio({"champion": k, "candidate": n - k}, HALVES).blocks for k in range(n // 2 + 1)]
    return float(2 * binom.pmf(np.flatnonzero(blocked), n, 0.5).sum())


def assignment() -> None:
    """Print how even, how independent and how fast assignment is."""
    from scipy.special import chdtrc
    from scipy.stats import chi2_contingency

    n = 1_000_000
    print(f"\nAssignment, {n:,} ids")
    shapes: dict[str, Callable[[int], str]] = {
        "customer 0, customer 1, …": lambda i: f"customer {i}",
        "0, 1, 2, …": str,
        "UUIDs": lambda i: str(uuid.UUID(int=(i * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)),
    }
    first, second = key_of("trial-1"), key_of("trial-2")
    for name, shape in shapes.items():
        ids = [shape(i) for i in range(n)]
        one, two = (np.array([bucket(key, u) for u in ids]) for key in (first, second))
        counts = np.bincount(one, minlength=N_BUCKETS)
        chi2 = float(((counts - n / N_BUCKETS) ** 2).sum() / (n / N_BUCKETS))
        off = float(np.abs(counts - n / N_BUCKETS).max() / (n / N_BUCKETS) ** 0.5)
        row(
            f"  {name}: chi-square over 10,000 buckets, p; farthest bucket",
            f"{chdtrc(N_BUCKETS - 1, chi2):.3f}; {off:.1f} sd",
        )
        table = np.histogram2d(one, two, bins=100)[0]
        row("    independence of two trials, 100 x 100, p", f"{chi2_contingency(table).pvalue:.3f}")
    plain = Assignment("trial-1", Arms.of({"champion": 0.5, "candidate": 0.5}))
    held = Assignment("trial-1", plain.arms, holdback=0.05, holdback_salt="project")
    for name, assign in {"": plain, ", with a holdback": held}.items():
        times = []
        for _ in range(5):
            began = process_time()
            for unit in ids[:100_000]:
                assign(unit)
            times.append((process_time() - began) * 10)
        row(
            f"  microseconds a call{name}, best and median of 5 (processor time)",
            f"{min(times):.2f}, {np.median(times):.2f}",
            "<= 3",
        )


def guardrails(n: int, rng: np.random.Generator) -> None:
    """Print false breaches, false passes and how soon a breach is seen, of a canary of 1 %."""
    print(f"\nGuardrail: error rate 1 %, margin 1 point, a canary of 1 %, 50 looks every 10,000 requests, {n:,} trials")
    for name, bad in {"equal": 0.01, "worse by just the margin": 0.02, "10 %": 0.10, "50 %": 0.50}.items():
        states, when = [], []
        for _ in range(n):
            yes = [np.cumsum(rng.binomial(k, p, 50)) for k, p in ((9900, 0.01), (100, bad))]
            found = _watch(yes)
            states.append(found[0])
            when.append(found[1])
        breached, safe = np.array([s == "breached" for s in states]), np.array([s == "safe" for s in states])
        row(f"  candidate {name}: breached; safe", f"{share(breached)}; {share(safe)}", "<= 5 %" if bad <= 0.02 else "")
        if bad > 0.02:
            row("    canary requests until the breach is seen, median", f"{100 * np.median(when):,.0f}")


def _watch(yes: list[NDArray[np.int64]]) -> tuple[str, int]:
    for i in range(50):
        control, candidate = Moments.share(int(yes[0][i]), 9900 * (i + 1)), Moments.share(int(yes[1][i]), 100 * (i + 1))
        found = guard("errors", control, candidate, margin=0.01, greater_is_better=False)
        if found.state in {"breached", "safe"} and candidate.n >= LEAST_UNITS:
            return found.state, i + 1
    return "open", 50


def intervals(n: int, rng: np.random.Generator) -> None:
    """Print whether 95 % intervals hold the truth."""
    print(f"\n95 % intervals hold the truth, {n:,} trials each")
    row(
        "  ratio metric, rows of a unit alike (delta method)",
        share(np.array([_ratio_holds(rng) for _ in range(n)])),
        "95 %",
    )
    row(
        "  the same, rows taken for units (for comparison)",
        share(np.array([_ratio_holds(rng, rows=True) for _ in range(n)])),
    )
    found = [_cuped(rng) for _ in range(n)]
    row("  CUPED, correlation .7", share(np.array([f[0] for f in found])), "95 %")
    row("    variance left", f"{np.mean([f[1] for f in found]):.3f}", "1 - .7² = .51")
    bandit = [_bandit(rng) for _ in range(n)]
    row("  Thompson, 10 batches, estimate by batch", share(np.array([b[0] for b in bandit])), "95 %")
    row("  the same, all batches thrown together (for comparison)", share(np.array([b[1] for b in bandit])))
    row("  the same, each batch with its own variances (for comparison)", share(np.array([b[2] for b in bandit])))
    for method in ("ips", "snips", "doubly robust"):
        held = [_off_policy(method, rng) for _ in range(n)]
        row(f"  {method}", share(np.array([h[0] for h in held])), "95 %")
        row("    width", f"{np.mean([h[1] for h in held]):.3f}")
    planned = size(Moments(n=0, mean=0.0, variance=1.0), 0.1)
    z = rng.normal(0.1 / (2 / planned.n_control) ** 0.5, 1, 100 * n)
    row(f"  a mean, {planned.n_units:,} units for an effect of .1 sd: found", share(np.abs(z) > 1.959964), "80 %")


def _ratio_holds(rng: np.random.Generator, *, rows: bool = False) -> bool:
    """Return whether the interval holds 0 where arms are alike: clicks per view, each person with a rate of their own."""
    arms = []
    for _ in range(2):
        views = rng.poisson(3, 500) + 1
        clicks = rng.binomial(views, rng.beta(1, 4, 500))
        arms.append(Moments.share(int(clicks.sum()), int(views.sum())) if rows else ratio(clicks, views))
    return abs(effect(*arms).z) < 1.959964


def _cuped(rng: np.random.Generator) -> tuple[bool, float]:
    past = rng.normal(size=(2, 500))
    now = 0.7 * past + 0.51**0.5 * rng.normal(size=(2, 500)) + np.array([[0.0], [0.2]])
    found = cuped(now[0], now[1], past[0], past[1])
    return abs(effect(found.control, found.candidate).minus(0.2).z) < 1.959964, found.variance_left


def _bandit(rng: np.random.Generator) -> tuple[bool, bool, bool]:
    """Return whether the intervals hold 0 where arms are alike and days differ."""
    beliefs, batches = {"a": BetaBelief(), "b": BetaBelief()}, []
    for day in range(10):
        shares = thompson(beliefs)
        n_b = int(rng.binomial(1000, shares["b"]))
        sizes, p = {"a": 1000 - n_b, "b": n_b}, 0.1 + 0.02 * day
        yes = {name: int(rng.binomial(k, p)) for name, k in sizes.items()}
        beliefs = {name: belief.after(yes[name], sizes[name]) for name, belief in beliefs.items()}
        batches.append((yes, sizes))
    by_batch = batch_effect([(Moments.share(y["a"], k["a"]), Moments.share(y["b"], k["b"])) for y, k in batches])
    pooled = [Moments.share(sum(y[a] for y, _ in batches), sum(k[a] for _, k in batches)) for a in ("a", "b")]
    alone = [effect(Moments.share(y["a"], k["a"]), Moments.share(y["b"], k["b"])) for y, k in batches]
    z = np.array([e.z for e in alone if e.known])
    literal = abs(float(z.sum())) / len(z) ** 0.5 < 1.959964
    return abs(by_batch.z) < 1.959964, abs(effect(*pooled).z) < 1.959964, literal


LOOKS = 5
"""Of a trial, as the page has it by default; under Thompson sampling units are dealt anew at each."""


def modes(n: int) -> None:
    """Print what Thompson sampling costs and saves beside fixed halves, through the same looks, on days that get better."""
    rng = np.random.default_rng([20261122, 7])  # of its own: the tables above stay as they are
    lift = 0.01
    planned = size_of_share(BASE, lift, n_looks=LOOKS)
    print(
        f"\nThompson beside halves, {BASE:.0%} and {lift:.0%} more, {planned.n_units:,} units, {LOOKS} looks, {n:,} trials"
    )
    for name, floor in (("halves", 0.5), *((f"Thompson, floor {floor:.0%}", floor) for floor in (0.01, 0.1, 0.2))):
        alike = np.array([_mode(0.0, floor, planned.n_units, rng)[0] for _ in range(n)])
        better = np.array([_mode(lift, floor, planned.n_units, rng) for _ in range(n)])
        row(f"  {name}: false alarms", share(alike != 0.0), "<= 5.5 %")
        row("    found where there is a difference", share(better[:, 0] > 0.0), "80 %" if floor == HALF else "")
        row("    planned units that meet the better bundle", f"{100 * better[:, 1].mean():.1f} %")


HALF = 0.5


def _mode(lift: float, floor: float, n_units: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return what a trial decided (+1, 0, -1), and the share of the planned units that met the candidate in the end."""
    chance, batches, effects, met = HALF, [], [], 0.0
    for k in range(LOOKS):
        n_b = int(rng.binomial(n_units // LOOKS, chance))
        sizes, p = (n_units // LOOKS - n_b, n_b), BASE * (1 + 0.05 * k)  # each stretch is better than the one before
        yes = [int(rng.binomial(size, rate)) for size, rate in zip(sizes, (p, p + lift), strict=True)]
        batches.append((Moments.share(yes[0], sizes[0]), Moments.share(yes[1], sizes[1])))
        met += n_b / n_units
        effects.append(batch_effect(batches) if floor < HALF else effect(*standardised(batches)))
        z, bound = effects[-1].z, LOOKS_AT[k].bound
        if abs(z) >= bound:  # the rest of the units meets the winner
            return float(np.sign(z)), met + (1 - (k + 1) / LOOKS) * (z > 0)
        if floor < HALF:
            one, other = believed(*standardised(batches), yes_or_no=True)
            chance = thompson({"a": one, "b": other}, floor=floor)["b"]
    return 0.0, met


LOOKS_AT = looks([(k + 1) / LOOKS for k in range(LOOKS)])


def _off_policy(method: str, rng: np.random.Generator) -> tuple[bool, float]:
    """Return whether the interval holds the worth of a policy that chooses by x, from a log that chose by chance and x."""
    n = 2000
    x, base = rng.normal(size=n), rng.normal(size=n)
    chance = np.clip(1 / (1 + np.exp(-x)), 0.1, 0.9)
    action = rng.random(n) < chance
    wanted = x < 0
    gain = 1 - 0.5 * x
    reward = 2 * base + np.where(action, gain, 0.0) + rng.normal(size=n)
    truth = 0.5 * (1 + 0.5 * (2 / np.pi) ** 0.5)
    found = off_policy(
        reward,
        np.where(action, chance, 1 - chance),
        (action == wanted).astype(float),
        method=method,  # type: ignore[arg-type]
        predicted=1.5 * base + np.where(action, 0.8 * gain, 0.0),
        predicted_target=1.5 * base + np.where(wanted, 0.8 * gain, 0.0),
    )
    return found.interval.low <= truth <= found.interval.high, found.interval.high - found.interval.low


def main() -> None:
    """Print all tables."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = np.random.default_rng(20261122)
    began = process_time()
    alarms(n, rng)
    on_stopping(n, rng)
    ratios(n, rng)
    guardrails(n // 2, rng)
    intervals(n, rng)
    assignment()
    modes(n // 2)
    print(f"\n{process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
