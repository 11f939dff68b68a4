# SPDX-License-Identifier: MIT
"""Opens the study that test_study.c has made with the real Optuna: reads it, goes on with a copy, goes on with the file itself."""
import math
import shutil
import sqlite3
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
path = sys.argv[1]


def load(file):
    return optuna.load_study(study_name="casting", storage="sqlite:///" + file)


def objective(trial):
    activation = trial.suggest_categorical("layer.activation", ["relu", "tanh", "leaky_relu"])
    rate = trial.suggest_float("optimizer.learning_rate", 0.0001, 0.01, log=True)
    blocks = trial.suggest_int("layer.blocks", 2, 8)
    if activation == "leaky_relu":
        trial.suggest_float("layer.slope", 0, 0.5, step=0.25)
    channels = trial.suggest_categorical("layer.channels", [4, 8, 0.5])
    return rate * blocks / (channels + 1)


study = load(path)
assert study.direction == optuna.study.StudyDirection.MAXIMIZE
trials = study.trials
assert [t.state.name for t in trials] == ["COMPLETE"] * 3 + ["PRUNED", "FAIL", "COMPLETE"], [t.state for t in trials]
assert study.best_trial.number == 1 and study.best_value == 0.9
assert trials[0].params == {"layer.activation": "tanh", "optimizer.learning_rate": 0.001, "layer.blocks": 3, "layer.channels": 0.5}
assert trials[0].distributions["optimizer.learning_rate"] == optuna.distributions.FloatDistribution(0.0001, 0.01, log=True)
assert trials[0].distributions["layer.blocks"] == optuna.distributions.IntDistribution(2, 8)
assert trials[0].intermediate_values == {0: 0.2, 1: 0.1, 2: 0.0}
assert math.isnan(trials[2].intermediate_values[0]) and trials[3].intermediate_values[2] == math.inf
assert trials[3].value == math.inf and trials[5].value == -math.inf
assert trials[4].user_attrs["reason"].startswith("the loss is not a number")
assert trials[1].user_attrs["epochs"] == [3, 5]
assert all(t.datetime_complete >= t.datetime_start for t in trials)
try:
    import pandas  # noqa: F401
except ImportError:
    pass
else:
    assert len(study.trials_dataframe()) == 6

copy = path + ".copy"
shutil.copy(path, copy)
load(copy).optimize(objective, n_trials=15)
assert len(load(copy).trials) == 21
texts = sqlite3.connect(copy).execute("SELECT param_name, COUNT(DISTINCT distribution_json) FROM trial_params GROUP BY param_name").fetchall()
assert all(count == 1 for _, count in texts), texts

study.optimize(objective, n_trials=3)
study.enqueue_trial({"layer.activation": "leaky_relu"})
