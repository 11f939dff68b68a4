# SPDX-License-Identifier: MIT
"""The table of bench/search.c for Optuna's default sampler, so that both can be measured with as many seeds:

    python search_optuna.py [SEEDS] [TRIALS] [FUNCTION]
"""
import math
import statistics
import sys
import warnings

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.simplefilter("ignore")

ALPHA = [1.0, 1.2, 3.0, 3.2]
A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P = [[0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886], [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
     [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650], [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381]]


def branin(x):
    a = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10 - 0.39788735772973816


def hartmann(x):
    return 3.32236801141551 - sum(c * math.exp(-sum(a * (v - p) ** 2 for a, v, p in zip(row, x, centre))) for c, row, centre in zip(ALPHA, A, P))


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def ackley(x):
    n = len(x)
    return -20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n)) - math.exp(sum(math.cos(2 * math.pi * v) for v in x) / n) + 20 + math.e


def styblinski_tang(x):
    return 0.5 * sum(v**4 - 16 * v * v + 5 * v for v in x) / len(x) + 39.16616570377142


def network(x):
    blocks, channels, kernel, pool, activation, optimizer, rate = x
    return ([0.04, 0][blocks] + [0.25, 0.1, 0, 0.08][channels] + [0.05, 0, 0.06][kernel] + [0.03, 0][pool] + [0.2, 0, 0.05][activation]
            + [0.1, 0.03, 0][optimizer] + 0.5 * (math.log10(rate) - [-2.0, -3.2, -2.8][optimizer]) ** 2 + (0.15 if blocks == 1 and kernel == 2 else 0))


# An axis is a range, or a number of choices; beside choices, ranges are logarithmic.
FUNCTIONS = [
    ("Branin", branin, [(-5, 10), (0, 15)]),
    ("Hartmann 6", hartmann, [(0, 1)] * 6),
    ("Rosenbrock 5", rosenbrock, [(-5, 5)] * 5),
    ("Ackley 10", ackley, [(-32.768, 32.768)] * 10),
    ("Styblinski-Tang 10", styblinski_tang, [(-5, 5)] * 10),
    ("network of 7", network, [2, 4, 3, 2, 3, 3, (1e-4, 1e-2)]),
]


def suggest(trial, name, axis, logarithmic):
    return trial.suggest_categorical(name, list(range(axis))) if isinstance(axis, int) else trial.suggest_float(name, *axis, log=logarithmic)


def search(function, axes, seed, trials):
    logarithmic = any(isinstance(axis, int) for axis in axes)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    best = []
    study.optimize(lambda trial: function([suggest(trial, "x%d" % i, axis, logarithmic) for i, axis in enumerate(axes)]), n_trials=trials)
    for trial in study.trials:
        best.append(min(trial.value, best[-1]) if best else trial.value)
    return best[trials // 2 - 1], best[-1]


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    trials = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    print("Optuna %s, median best value over %d seeds after %d / %d trials\n" % (optuna.__version__, seeds, trials // 2, trials))
    print("| function | Optuna %s |\n|---|---|" % optuna.__version__)
    for name, function, axes in FUNCTIONS:
        if len(sys.argv) > 3 and name != sys.argv[3]:
            continue
        half, full = zip(*(search(function, axes, seed, trials) for seed in range(seeds)))
        print("| %s | %.3g / %.3g |" % (name, statistics.median(half), statistics.median(full)), flush=True)


main()
