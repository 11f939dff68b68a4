# SPDX-License-Identifier: MIT
"""Computes every metric again from predictions.csv, with scikit-learn alone: recompute.py PREDICTIONS PART [POSITIVE]. Prints one JSON object."""
import csv, json, math, sys
import sklearn.metrics as m

rows = [r for r in csv.DictReader(open(sys.argv[1])) if r["part"] == sys.argv[2]]
positive = sys.argv[3] if len(sys.argv) > 3 else None
labels, guesses = [r["label"] for r in rows], [r["guess"] for r in rows]
classes = [key[len("score_"):] for key in rows[0] if key.startswith("score_")]
scores = [[float(r["score_" + c]) for c in classes] for r in rows]
found = {
    "loss": math.fsum(float(r["loss"]) for r in rows) / len(rows),
    "accuracy": m.accuracy_score(labels, guesses),
    "balanced_accuracy": m.balanced_accuracy_score(labels, guesses),
    "mcc": m.matthews_corrcoef(labels, guesses),
}
average = {"pos_label": positive} if positive else {"average": "macro"}
for name, function in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)):
    found[name] = function(labels, guesses, zero_division=0, **average)
if positive:
    found["false_negative_rate"] = 1 - found["recall"]
    found["roc_auc"] = m.roc_auc_score([label == positive for label in labels], [s[classes.index(positive)] for s in scores])
else:
    found["roc_auc"] = m.roc_auc_score(labels, scores, multi_class="ovr", average="macro", labels=classes)
print(json.dumps(found))
