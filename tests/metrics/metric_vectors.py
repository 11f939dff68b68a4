#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints metric_vectors.h: small sets of predictions and what scikit-learn makes of them.

    python3 metric_vectors.py > metric_vectors.h
"""
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20260)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def calibration_error(labels, scores, bins=15):
    """Expected calibration error as in Guo et al., 2017: bins (0, 1/15], (1/15, 2/15], … of the highest score."""
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == labels
    edges, error = np.linspace(0, 1, bins + 1), 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


def case(name, labels, scores, positive, guesses=None):
    labels = np.asarray(labels)
    scores = np.round(np.asarray(scores), 3)
    scores /= scores.sum(axis=1, keepdims=True)
    if guesses is None:
        if scores.shape[1] == 2:
            p = positive if positive >= 0 else 1
            guesses = np.where(scores[:, p] >= 0.5, p, 1 - p)
        else:
            guesses = scores.argmax(axis=1)
    losses = np.round(rng.gamma(1.0, 1.0, len(labels)), 4)
    classes = scores.shape[1]
    out = {"loss": losses.mean(), "log_loss": m.log_loss(labels, scores, labels=range(classes)), "accuracy": m.accuracy_score(labels, guesses),
           "balanced_accuracy": m.balanced_accuracy_score(labels, guesses), "mcc": m.matthews_corrcoef(labels, guesses)}
    for metric, function in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)):
        for average in ("macro", "weighted"):
            out[f"{metric} {average}"] = function(labels, guesses, average=average, zero_division=0)
        if classes == 2 and positive >= 0:
            out[f"{metric} binary"] = function(labels, guesses, pos_label=positive, zero_division=0)
    out["calibration_error"] = calibration_error(labels, scores)
    one_hot = np.eye(classes)[labels]
    out["brier"] = m.brier_score_loss(labels, scores[:, 1], pos_label=1) if classes == 2 else ((scores - one_hot) ** 2).sum(axis=1).mean()
    if classes == 2 and positive >= 0:
        out["false_negative_rate"] = 1 - m.recall_score(labels, guesses, pos_label=positive, zero_division=0)
    if classes == 2 and positive >= 0:
        (tn, fp), (fn, tp) = m.confusion_matrix(labels == positive, guesses == positive, labels=[False, True])
        out.update(true_positives=tp, false_negatives=fn, false_positives=fp, true_negatives=tn)
        out["specificity"] = m.recall_score(labels != positive, guesses != positive, zero_division=0)
        out["false_positive_rate"] = fp / (fp + tn)
        out["cost"] = (fn + fp) / len(labels)
    if len(set(labels)) == classes:
        if classes == 2:
            p = positive if positive >= 0 else 1
            out["average_precision"] = m.average_precision_score(labels == p, scores[:, p])
        else:
            out["average_precision"] = m.average_precision_score(one_hot, scores, average="macro")
        if classes == 2:
            p = positive if positive >= 0 else 1
            out["roc_auc"] = m.roc_auc_score(labels == p, scores[:, p])
        else:
            out["roc_auc"] = m.roc_auc_score(labels, scores / scores.sum(axis=1, keepdims=True), multi_class="ovr", average="macro")

    def numbers(values):
        return ", ".join(repr(float(v)) if isinstance(v, (float, np.floating)) else str(int(v)) for v in values)

    print(f"static const int32_t {name}_labels[] = {{{numbers(labels)}}};")
    print(f"static const int32_t {name}_guesses[] = {{{numbers(guesses)}}};")
    print(f"static const double {name}_scores[] = {{{numbers(scores.ravel())}}};")
    print(f"static const double {name}_losses[] = {{{numbers(losses)}}};")
    print(f"static const struct expected_metric {name}_expected[] = {{")
    for key, value in out.items():
        metric, _, average = key.partition(" ")
        print(f'    {{"{metric}", "{average or "auto"}", {float(value)!r}}},')
    print("};")
    return name, len(labels), classes, positive


print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by metric_vectors.py with scikit-learn {sklearn.__version__}. */")
print("struct expected_metric {\n  const char *name, *average;\n  double value;\n};")
cases = []

# Two classes, ten to one, positive class 1; scores rounded to one digit so that there are ties.
labels = (rng.random(60) < 0.15).astype(int)
z = np.stack([np.zeros(60), 2.5 * labels - 1.5 + rng.normal(size=60)], axis=1)
cases.append(case("imbalanced", labels, np.round(softmax(z), 1), 1))
# Positive class 0.
labels = (rng.random(40) < 0.5).astype(int)
z = np.stack([1.2 * (1 - labels), rng.normal(size=40)], axis=1)
cases.append(case("first_positive", labels, softmax(z), 0))
# No class named positive.
cases.append(case("unnamed", labels, softmax(z), -1))
# Everything guessed negative.
labels = np.array([0] * 12 + [1] * 4)
cases.append(case("one_guess", labels, np.stack([np.linspace(0.6, 0.9, 16), 1 - np.linspace(0.6, 0.9, 16)], axis=1), 1))
# Four classes, the last one seldom.
labels = rng.choice(4, size=50, p=[0.4, 0.3, 0.2, 0.1])
z = rng.normal(size=(50, 4))
z[np.arange(50), labels] += 1.5
cases.append(case("four_classes", labels, softmax(z), -1))
# Four classes of which one has no samples but guesses, and another neither.
labels = rng.choice(2, size=30)
z = rng.normal(size=(30, 4))
z[:, 3] = -50
z[np.arange(30), labels] += 1.0
cases.append(case("absent_classes", labels, softmax(z), -1))

print("static const struct metric_case {")
print("  const char *name;\n  uint32_t count, class_count;\n  int32_t positive;\n  const int32_t *labels, *guesses;\n  const double *scores, *losses;")
print("  const struct expected_metric *expected;\n  size_t expected_count;\n} metric_cases[] = {")
for name, count, classes, positive in cases:
    print(f'    {{"{name}", {count}, {classes}, {positive}, {name}_labels, {name}_guesses, {name}_scores, {name}_losses, {name}_expected, '
          f"sizeof {name}_expected / sizeof *{name}_expected}},")
print("};")
