# SPDX-License-Identifier: MIT
"""Writes pruner_cases.h: what Optuna's MedianPruner decides on random studies. Made with Optuna 5.0.0:

    python make_pruner_cases.py > pruner_cases.h
"""
import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.WARNING)
STEPS = 6


def results(rng, count):
    """Results at some of the steps, in their order; NaN: none there."""
    values = np.round(rng.normal(size=STEPS), 3)
    values[rng.uniform(size=STEPS) < 0.2] = np.nan
    values[count:] = np.nan
    return values


def case(rng):
    startup, warmup, interval = int(rng.choice([0, 2, 5])), int(rng.choice([0, 2])), int(rng.choice([1, 2, 3]))
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(startup, warmup, interval))
    trials = [(results(rng, STEPS), rng.uniform() < 0.75) for _ in range(rng.randint(1, 9))]
    for values, complete in trials:
        reports = {i: v for i, v in enumerate(values) if not np.isnan(v)}
        state = TrialState.COMPLETE if complete else TrialState.PRUNED
        study.add_trial(create_trial(state=state, value=0.0, intermediate_values=reports))
    own = results(rng, rng.randint(1, STEPS + 1)) + rng.choice([0.0, 1.5])
    trial = study.ask()
    for step, value in enumerate(own):
        if not np.isnan(value):
            trial.report(float(value), step)
    return startup, warmup, interval, trials, own, trial.should_prune()


def row(values):
    return "{" + ", ".join("NAN" if np.isnan(v) else repr(float(v)) for v in values) + "}"


def main():
    rng = np.random.RandomState(7)
    print("/* SPDX-License-Identifier: MIT\n *\n * Made by make_pruner_cases.py; do not edit. */\n")
    print("static const struct pruner_case pruner_cases[] = {")
    for _ in range(60):
        startup, warmup, interval, trials, own, prune = case(rng)
        print("    {%d, %d, %d, %d, {%s}," % (startup, warmup, interval, len(trials), ", ".join(str(int(c)) for _, c in trials)))
        print("     {%s}," % ", ".join(row(v) for v, _ in trials))
        print("     %s, %d}," % (row(own), prune))
    print("};")


main()
