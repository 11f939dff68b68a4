#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints epoch_vectors.h: two epochs of a small network in PyTorch, in double, for test_epoch.c to repeat, plain and with all of fine-tuning.

Ten pictures of 6 x 6 pixels and 2 channels: (37 i + 11 y + 5 x + 3 c + 40 label + i y x) mod 256, label = i mod 2. Weight k (convolution, its bias, scale,
bias of batch norm, classifier, its bias) starts as cos(0.9 j + 2 k) / 2 at element j. Batches of 4, 4 and 2 in the order 3, 1, 4, 0, 5, 9, 2, 6, 8, 7; class
weights 1 and 2; SGD with Nesterov momentum and weight decay on weights.

    python3 epoch_vectors.py > epoch_vectors.h
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
ORDER = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
labels = torch.tensor([i % 2 for i in range(10)]).double()
pixels = torch.tensor([[[[(37 * i + 11 * y + 5 * x + 3 * c + 40 * (i % 2) + i * y * x) % 256 for x in range(6)] for y in range(6)] for c in range(2)] for i in range(10)]).double()
pixels = (pixels - pixels.mean((0, 2, 3), keepdim=True)) / pixels.std((0, 2, 3), unbiased=False, keepdim=True)
shapes = [(3, 2, 3, 3), (3,), (3,), (3,), (1, 27), (1,)]
PLAIN = dict(name="plain", freeze=0, unfreeze=9, keep="frozen", rates=[1, 1, 1], ema=0)
cases = [
    PLAIN,
    PLAIN | dict(name="frozen", freeze=4),
    PLAIN | dict(name="frozen_convolution", freeze=2, rates=[1, 0.5, 2]),
    PLAIN | dict(name="frozen_but_measured", freeze=4, keep="none"),
    PLAIN | dict(name="unfrozen", freeze=4, unfreeze=1),
    PLAIN | dict(name="statistics_kept", keep="all"),
    PLAIN | dict(name="groups", rates=[0.1, 0.2, 1]),
    PLAIN | dict(name="mean_weights", ema=0.7),
]


def run(case):
    """Losses while training and after each epoch. `freeze`: so many of the weights are left as they are until epoch `unfreeze`."""
    weights = [torch.tensor([math.cos(0.9 * j + 2 * k) / 2 for j in range(math.prod(s))]).reshape(s).requires_grad_() for k, s in enumerate(shapes)]
    averages = torch.optim.swa_utils.AveragedModel(torch.nn.ParameterList(weights), avg_fn=lambda average, value, n: average + (1 - share(n)) * (value - average))
    averages.update_parameters(torch.nn.ParameterList(weights))  # the first call copies
    share = lambda n: min(case["ema"], (1 + int(n)) / (10 + int(n)))
    mean, variance = torch.zeros(3), torch.ones(3)

    def optimise(first):
        groups = [dict(params=[w], lr=0.05 * case["rates"][k // 2], weight_decay=0.01 if k in (0, 4) else 0) for k, w in enumerate(weights) if k >= first]
        return torch.optim.SGD(groups, momentum=0.9, nesterov=True)

    def forward(x, w, measure):
        x = F.conv2d(x, w[0], w[1], padding=1)
        x = F.batch_norm(x, mean, variance, w[2], w[3], training=measure, momentum=0.1, eps=1e-5)
        return F.linear(F.max_pool2d(F.relu(x), 2).flatten(1), w[4], w[5]).reshape(-1)

    def losses(z, y):
        return F.binary_cross_entropy_with_logits(z, y, reduction="none")

    training, evaluation = [], []
    optimizer = optimise(case["freeze"])
    for epoch in range(2):
        if epoch == case["unfreeze"]:
            optimizer = optimise(0)
        frozen = case["freeze"] if epoch < case["unfreeze"] else 0
        measure = case["keep"] == "none" or (case["keep"] == "frozen" and frozen < 4)
        total = weight = 0.0
        for first in range(0, 10, 4):
            batch = ORDER[first:first + 4]
            w = 1 + labels[batch]
            each = losses(forward(pixels[batch], weights, measure), labels[batch])
            loss = (w * each).sum() / w.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            averages.update_parameters(torch.nn.ParameterList(weights))
            total += (w * each).sum().item()
            weight += w.sum().item()
        training.append(total / weight)
        with torch.no_grad():
            evaluation.append(losses(forward(pixels, list(averages.module) if case["ema"] else weights, False), labels).tolist())
    return training, evaluation


print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by epoch_vectors.py with PyTorch {torch.__version__.split('+')[0]}. */")
print("static const struct epoch_vector {\n  const char *name;\n  double training[2], losses[2][10];\n} epoch_vectors[] = {")
for case in cases:
    training, evaluation = run(case)
    print(f'    {{"{case["name"]}", {{{", ".join(map(repr, training))}}},')
    print("     {" + ",\n      ".join("{" + ", ".join(map(repr, line)) + "}" for line in evaluation) + "}},")
print("};")
