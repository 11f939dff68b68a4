# SPDX-License-Identifier: MIT
"""Computes every metric again from predictions.csv, with scikit-learn alone: recompute.py PREDICTIONS PART [POSITIVE]. Prints one JSON object."""
import csv, json, math, sys
import sklearn.metrics as m

rows = [r for r in csv.DictReader(open(sys.argv[1])) if r["part"] == sys.argv[2]]
positive = sys.argv[3] if len(sys.argv) > 3 else None
labels, guesses = [r["label"] for r in rows], [r["guess"] for r in rows]
classes = [key[len("score_"):] for key in rows[0] if key.startswith("score_")]
scores = [[float(r["score_" + c]) for c in classes] for r in rows]


def calibration_error(bins=15):
    """Guo et al., 2017: over (0, 1/15], (1/15, 2/15] … of the highest score, how far what it says is from how often it is right."""
    highest = [max(s) for s in scores]
    right = [classes[s.index(max(s))] == label for s, label in zip(scores, labels)]
    place = [max(math.ceil(h * bins) - 1, 0) for h in highest]
    return sum(abs(math.fsum(h - r for h, r, p in zip(highest, right, place) if p == b)) for b in range(bins)) / len(rows)


found = {
    "loss": math.fsum(float(r["loss"]) for r in rows) / len(rows),
    "accuracy": m.accuracy_score(labels, guesses),
    "balanced_accuracy": m.balanced_accuracy_score(labels, guesses),
    "calibration_error": calibration_error(),
    "mcc": m.matthews_corrcoef(labels, guesses),
}
average = {"pos_label": positive} if positive else {"average": "macro"}
for name, function in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)):
    found[name] = function(labels, guesses, zero_division=0, **average)
one_hot = [[label == c for c in classes] for label in labels]
if positive:
    (tn, fp), (fn, tp) = m.confusion_matrix([label == positive for label in labels], [guess == positive for guess in guesses], labels=[False, True]).tolist()
    found.update(true_positives=tp, false_negatives=fn, false_positives=fp, true_negatives=tn, specificity=tn / (tn + fp), false_positive_rate=fp / (tn + fp))
    found["false_negative_rate"] = 1 - found["recall"]
    found["average_precision"] = m.average_precision_score([label == positive for label in labels], [s[classes.index(positive)] for s in scores])
    found["roc_auc"] = m.roc_auc_score([label == positive for label in labels], [s[classes.index(positive)] for s in scores])
else:
    found["average_precision"] = m.average_precision_score(one_hot, scores, average="macro")
    found["roc_auc"] = m.roc_auc_score(labels, scores, multi_class="ovr", average="macro", labels=classes)
print(json.dumps(found))
