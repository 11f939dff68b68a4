#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints judgement_vectors.h: predictions, the corners of their ROC and precision-recall curves as scikit-learn has them, and the temperature that makes
their labels likeliest, found by SciPy.

    python3 judgement_vectors.py > judgement_vectors.h
"""
import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize_scalar
from sklearn.metrics import precision_recall_curve, roc_curve

rng = np.random.default_rng(404)


def numbers(values):
    return ", ".join("INFINITY" if v == np.inf else repr(float(v)) for v in np.ravel(values))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def temperature(labels, scores):
    z = np.log(scores)

    def loss(t):
        return -np.log(softmax(z / t)[np.arange(len(labels)), labels]).mean()

    return minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-10}).x


def case(name, labels, logits, digits):
    scores = np.round(softmax(logits), digits).clip(0.01)
    scores /= scores.sum(axis=1, keepdims=True)
    last = scores.shape[1] - 1
    false, true, thresholds = roc_curve(labels == last, scores[:, last], drop_intermediate=False)
    precision, recall, cuts = precision_recall_curve(labels == last, scores[:, last])
    at = {t: (p, r) for p, r, t in zip(precision, recall, cuts)}
    precisions = [at[t][0] if t in at else 1.0 for t in thresholds]
    print(f"static const int32_t {name}_labels[] = {{{', '.join(map(str, labels))}}};")
    print(f"static const double {name}_scores[] = {{{numbers(scores)}}};")
    for key, values in (("thresholds", thresholds), ("false_positive_rates", false), ("recalls", true), ("precisions", precisions)):
        print(f"static const double {name}_{key}[] = {{{numbers(values)}}};")
    return (f'    {{"{name}", {len(labels)}, {last + 1}, {name}_labels, {name}_scores, {len(thresholds)}, {name}_thresholds, {name}_false_positive_rates, '
            f"{name}_recalls, {name}_precisions, {float(temperature(labels, scores))!r}}},")


print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by judgement_vectors.py with scikit-learn {sklearn.__version__} and SciPy {scipy.__version__}. */")
lines = []
labels = (rng.random(70) < 0.3).astype(int)
lines.append(case("ties", labels, np.stack([np.zeros(70), 3 * labels - 2 + 1.2 * rng.normal(size=70)], axis=1), 1))
labels = (rng.random(50) < 0.5).astype(int)
lines.append(case("too_sure", labels, 3 * np.stack([np.zeros(50), 2 * labels - 1 + 1.3 * rng.normal(size=50)], axis=1), 6))
labels = rng.integers(0, 4, 60)
z = rng.normal(size=(60, 4))
z[np.arange(60), labels] += 1
lines.append(case("four", labels, 0.5 * z, 6))
print("static const struct judgement_case {\n  const char *name;\n  uint32_t count, class_count;\n  const int32_t *labels;\n  const double *scores;\n  uint32_t point_count;")
print("  const double *thresholds, *false_positive_rates, *recalls, *precisions; /* of the last class, from never to always */\n  double temperature;\n} judgement_cases[] = {")
print("\n".join(lines))
print("};")
