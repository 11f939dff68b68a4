#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints importance_cases.h: random studies, and what Optuna's PedAnovaImportanceEvaluator makes of them (before they are normalised).

Axes: layers int 1 … 5; units logint 4 … 512; rate log 1e-4 … 1e-1; share real 0 … 1; coarse real 0 … 2 by 0.25; kind choice of three; slope real 0 … 0.5, active while kind
is the second.

    python3 importance_cases.py > importance_cases.h
"""
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
AXES = {"layers": IntDistribution(1, 5), "units": IntDistribution(4, 512, log=True), "rate": FloatDistribution(1e-4, 1e-1, log=True), "share": FloatDistribution(0, 1),
        "coarse": FloatDistribution(0, 2, step=0.25), "kind": CategoricalDistribution(["a", "b", "c"]), "slope": FloatDistribution(0, 0.5)}


def case(rng, count, maximise):
    study = optuna.create_study(direction="maximize" if maximise else "minimize")
    points, values = [], []
    for _ in range(count):
        p = {"layers": int(rng.integers(1, 6)), "units": int(round(np.exp(rng.uniform(np.log(4), np.log(512))))), "rate": float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-1)))),
             "share": float(rng.uniform()), "coarse": float(0.25 * rng.integers(0, 9)), "kind": "abc"[rng.integers(3)]}
        if p["kind"] == "b":
            p["slope"] = float(rng.uniform(0, 0.5))
        value = (np.log10(p["rate"]) + 2.5) ** 2 + (p["kind"] == "b") * 0.5 + 0.1 * abs(p["layers"] - 2) + 0.3 * p.get("slope", 0) + 0.05 * rng.normal()
        value = -float(value) if maximise else float(value)
        study.add_trial(create_trial(params=p, distributions={k: AXES[k] for k in p}, value=value))
        points.append([float("abc".index(p[k])) if k == "kind" else p.get(k, np.nan) for k in AXES])
        values.append(value)
    found = PedAnovaImportanceEvaluator().evaluate(study)
    return points, values, [found.get(k, 0.0) for k in AXES]


def row(numbers):
    return "{" + ", ".join("NAN" if np.isnan(v) else repr(float(v)) for v in numbers) + "}"


print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by importance_cases.py with Optuna {optuna.__version__}. */")
print(f"enum {{ IMPORTANCE_AXES = {len(AXES)}, IMPORTANCE_MOST = 120 }};")
print("static const struct importance_case {\n  uint32_t count;\n  bool maximise;\n  double points[IMPORTANCE_MOST][IMPORTANCE_AXES], values[IMPORTANCE_MOST], importances[IMPORTANCE_AXES];\n} importance_cases[] = {")
for seed, (count, maximise) in enumerate([(120, False), (60, True), (25, False), (9, True), (3, False)]):
    points, values, importances = case(np.random.default_rng(seed), count, maximise)
    print(f"    {{{count}, {'true' if maximise else 'false'}, {{{', '.join(row(p) for p in points)}}}, {row(values)}, {row(importances)}}},")
print("};")
