#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints layer_vectors.h: what PyTorch gives for layers of known inputs and weights, in double.

Element i of input j is sin(0.7 i + j + 0.1); element i of trained variable k is cos(0.9 i + 2 k) / 2; labels count up.

    python3 layer_vectors.py > layer_vectors.h
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def filled(shape, function):
    count = math.prod(shape)
    return torch.tensor([function(i) for i in range(count)]).reshape(shape)


def x(*shape, j=0):
    return filled(shape, lambda i: math.sin(0.7 * i + j + 0.1))


def w(k, *shape):
    return filled(shape, lambda i: math.cos(0.9 * i + 2 * k) / 2)


def emit(name, *tensors):
    values = torch.cat([t.reshape(-1) for t in tensors]).tolist()
    print(f"static const double {name}_values[] = {{{', '.join(repr(v) for v in values)}}};")


def same(t, kernel, stride, dilation):
    pads = []
    for axis in (1, 0):  # torch pads the last axis first
        extent = t.shape[2 + axis]
        total = max((math.ceil(extent / stride[axis]) - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - extent, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(t, pads)


print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by layer_vectors.py with PyTorch {torch.__version__.split('+')[0]}. */")
image = x(2, 2, 5, 4)
emit("conv2d_same", F.conv2d(image, w(0, 3, 2, 3, 3), w(1, 3), padding="same"))
emit("conv2d_strided", F.conv2d(same(image, (3, 2), (2, 3), (1, 1)), w(0, 3, 2, 3, 2), w(1, 3), stride=(2, 3)))
emit("conv2d_grouped", F.conv2d(image, w(0, 4, 1, 3, 3), padding=2, dilation=2, groups=2))
emit("dense", F.linear(x(3, 5), w(0, 3, 5), w(1, 3)))
emit("classifier_three", F.linear(image.flatten(1), w(0, 3, 40), w(1, 3)))
emit("classifier_two", F.linear(image.flatten(1), w(0, 1, 40), w(1, 1)))
emit("flatten", image.flatten(1))
emit("max_pool", F.max_pool2d(image, (3, 2), (2, 1), (1, 0)))
emit("avg_pool", F.avg_pool2d(image, (3, 2), (2, 1), (1, 0)))
emit("avg_pool_real", F.avg_pool2d(image, (3, 2), (2, 1), (1, 0), count_include_pad=False))
emit("adaptive", F.adaptive_avg_pool2d(image, (3, 7)))
emit("adaptive_even", F.adaptive_avg_pool2d(image, (5, 2)))
emit("global_avg_pool", image.mean((2, 3)))
# Variables of batch_norm: scale, bias, then the statistics: mean 0 and variance 1 unless said otherwise.
mean, variance = torch.zeros(2), torch.ones(2)
emit("batch_norm_training", F.batch_norm(image, mean, variance, w(0, 2), w(1, 2), training=True, momentum=0.3, eps=1e-3), mean, variance)
mean, variance = torch.tensor([0.25, -0.5]), torch.tensor([0.75, 1.5])
emit("batch_norm_inference", F.batch_norm(image, mean, variance, w(0, 2), w(1, 2), training=False, eps=1e-3))
mean, variance = torch.zeros(5), torch.ones(5)
emit("batch_norm_flat", F.batch_norm(x(3, 5), mean, variance, w(0, 5), w(1, 5), training=True, momentum=0.1), mean, variance)
emit("relu", F.relu(image))
emit("leaky_relu", F.leaky_relu(image, 0.2))
emit("tanh", torch.tanh(image))
emit("sigmoid", torch.sigmoid(image))
emit("silu", F.silu(image))
emit("gelu", F.gelu(image))
emit("gelu_tanh", F.gelu(image, approximate="tanh"))
emit("add", x(2, 3, 2, 2) + x(2, 3, 2, 2, j=1) + x(2, 3, 2, 2, j=2))
emit("concat", torch.cat([x(2, 3, 2, 2), x(2, 1, 2, 2, j=1)], 1))
blocks = x(1, 2, 9, 8)
blocks = F.max_pool2d(torch.tanh(F.conv2d(blocks, w(0, 2, 2, 3, 3), w(1, 2), padding=1)), 3, 2)
blocks = F.max_pool2d(torch.tanh(F.conv2d(blocks, w(2, 4, 2, 3, 3), w(3, 4), padding=1)), 3, 2)
emit("conv_blocks", blocks)
logits, labels = 3 * x(4, 3), torch.tensor([0, 1, 2, 0])
emit("cross_entropy", F.cross_entropy(x(4, 3), labels, reduction="none"))
emit("cross_entropy_smooth", F.cross_entropy(x(4, 3), labels, reduction="none", label_smoothing=0.1))
binary = torch.tensor([0.0, 1.0, 0.0, 1.0])
emit("binary_cross_entropy", F.binary_cross_entropy_with_logits(x(4, 1).reshape(-1), binary, reduction="none"))
emit("binary_cross_entropy_smooth", F.binary_cross_entropy_with_logits(x(4, 1).reshape(-1), binary * 0.9 + 0.05, reduction="none"))
# Lin et al. 2017, equation 4, as it stands there.
probability = torch.softmax(x(4, 3), 1)[torch.arange(4), labels]
emit("focal", -(1 - probability) ** 2 * torch.log(probability))
probability = torch.where(binary > 0, torch.sigmoid(x(4, 1).reshape(-1)), 1 - torch.sigmoid(x(4, 1).reshape(-1)))
emit("focal_binary", -(1 - probability) ** 1.5 * torch.log(probability))
