#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints epoch_vectors.h: two epochs of a small network in PyTorch, in double, for test_epoch.c to repeat.

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
weights = [torch.tensor([math.cos(0.9 * j + 2 * k) / 2 for j in range(math.prod(s))]).reshape(s).requires_grad_() for k, s in enumerate(shapes)]
mean, variance = torch.zeros(3), torch.ones(3)
decayed, others = [weights[0], weights[4]], [weights[1], weights[2], weights[3], weights[5]]
optimizer = torch.optim.SGD([dict(params=decayed, weight_decay=0.01), dict(params=others)], lr=0.05, momentum=0.9, nesterov=True)


def forward(x, training):
    x = F.conv2d(x, weights[0], weights[1], padding=1)
    x = F.batch_norm(x, mean, variance, weights[2], weights[3], training=training, momentum=0.1, eps=1e-5)
    return F.linear(F.max_pool2d(F.relu(x), 2).flatten(1), weights[4], weights[5]).reshape(-1)


def losses(z, y):
    return F.binary_cross_entropy_with_logits(z, y, reduction="none")


print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by epoch_vectors.py with PyTorch {torch.__version__.split('+')[0]}. */")
training, evaluation = [], []
for epoch in range(2):
    total = weight = 0.0
    for first in range(0, 10, 4):
        batch = ORDER[first:first + 4]
        w = 1 + labels[batch]
        each = losses(forward(pixels[batch], True), labels[batch])
        loss = (w * each).sum() / w.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += (w * each).sum().item()
        weight += w.sum().item()
    training.append(total / weight)
    with torch.no_grad():
        evaluation.append(losses(forward(pixels, False), labels).tolist())
print(f"static const double epoch_training_loss[2] = {{{', '.join(map(repr, training))}}};")
print("static const double epoch_losses[2][10] = {")
for line in evaluation:
    print("    {" + ", ".join(map(repr, line)) + "},")
print("};")
