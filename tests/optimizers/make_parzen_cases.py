# SPDX-License-Identifier: MIT
"""Writes parzen_cases.h: the estimator of Optuna's TPE sampler on a few cases. Made with Optuna 5.0.0:

    python make_parzen_cases.py > parzen_cases.h
"""
import functools

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

# Which of several equal observations comes first, and so gets which width, is left open by NumPy's default sort; here it is the first.
np.argsort = functools.partial(np.argsort, kind="stable")

PARAMETERS = dict(prior_weight=1.0, consider_magic_clip=True, consider_endpoints=False, weights=default_weights, multivariate=True)

REAL = FloatDistribution(-5, 10)
LOG = FloatDistribution(1e-4, 1e-1, log=True)
STEPPED = FloatDistribution(0, 1, step=0.125)
INT = IntDistribution(2, 14, step=3)
LOG_INT = IntDistribution(1, 64, log=True)
CHOICE = CategoricalDistribution(["relu", "tanh", "silu", "gelu"])

CASES = [
    ("one real axis", [REAL], 7, {}),
    ("one real axis with its ends", [REAL], 7, dict(consider_endpoints=True)),
    ("no observation", [REAL], 0, {}),
    ("one observation", [LOG], 1, {}),
    ("old observations weigh less", [LOG], 31, {}),
    ("unclipped", [REAL], 6, dict(consider_magic_clip=False)),
    ("heavier prior", [REAL], 6, dict(prior_weight=2.5)),
    ("steps", [STEPPED], 9, {}),
    ("integers with a step", [INT], 9, {}),
    ("logarithmic integers", [LOG_INT], 12, {}),
    ("choices", [CHOICE], 8, {}),
    ("all together", [REAL, LOG, INT, CHOICE, LOG_INT], 15, {}),
]


def draw(rng, distribution):
    if isinstance(distribution, CategoricalDistribution):
        return float(rng.randint(len(distribution.choices)))
    low, high = distribution.low, distribution.high
    value = np.exp(rng.uniform(np.log(low), np.log(high))) if distribution.log else rng.uniform(low, high)
    if distribution.step is not None:
        value = low + np.round((value - low) / distribution.step) * distribution.step
    return float(np.clip(value, low, high))


def number(value):
    return repr(float(value))


def row(values):
    return "{" + ", ".join(number(v) for v in values) + "}" if len(values) else "{0}"


def axis(distribution):
    if isinstance(distribution, CategoricalDistribution):
        return "{.kind = ASSAY_DOMAIN_CHOICE, .choice_count = %d, .parent = -1}" % len(distribution.choices)
    kind = "INT" if isinstance(distribution, IntDistribution) else "REAL"
    return "{.kind = ASSAY_DOMAIN_%s, .low = %s, .high = %s, .step = %s, .logarithmic = %d, .parent = -1}" % (
        kind, number(distribution.low), number(distribution.high), number(distribution.step or 0), distribution.log)


def main():
    rng = np.random.RandomState(20260131)
    print("/* SPDX-License-Identifier: MIT\n *\n * Made by make_parzen_cases.py; do not edit. */\n")
    print("static const struct parzen_case parzen_cases[] = {")
    for title, axes, count, changes in CASES:
        settings = {**PARAMETERS, **changes}
        space = {str(i): d for i, d in enumerate(axes)}
        observations = np.array([[draw(rng, d) for d in axes] for _ in range(count)]).reshape(count, len(axes))
        points = np.array([[draw(rng, d) for d in axes] for _ in range(5)])
        estimator = _ParzenEstimator({k: observations[:, i] for i, k in enumerate(space)}, space, _ParzenEstimatorParameters(**settings))
        mixture = estimator._mixture_distribution
        densities = estimator.log_pdf({k: points[:, i] for i, k in enumerate(space)})
        print('    {"%s", %d, %d, {%s},' % (title, len(axes), count, ", ".join(axis(d) for d in axes)))
        print("     {%s, 0, %d, %d}," % (number(settings["prior_weight"]), settings["consider_magic_clip"], settings["consider_endpoints"]))
        given = default_weights(count)
        print("     %s," % row(observations.ravel()))
        print("     %s, %s," % (row(given), row(mixture.weights)))
        numeric = [(d.mu, d.sigma) if hasattr(d, "mu") else ([], []) for d in mixture.distributions]
        print("     {%s}," % ", ".join(row(mu) for mu, _ in numeric))
        print("     {%s}," % ", ".join(row(sigma) for _, sigma in numeric))
        print("     %s, %s}," % (row(points.ravel()), row(densities)))
    print("};")


main()
