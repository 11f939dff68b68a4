#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints explainer_vectors.h: Grad-CAM and HiResCAM of small networks in PyTorch, in double.

One picture of 8 x 6 pixels and 2 channels: (11 y + 5 x + 3 c + 7 y x + 90 (y > 4) (x < 3)) mod 256, divided by 255. Weight k of a network, in the order
in which its layers make them, is cos(0.9 j + 2 k) / 2 at element j. `flat`: convolution of 4, ReLU, max pooling by 2, convolution of 3, ReLU, flattened, dense to 3.
`branches`: convolution of 4 and ReLU, then a convolution of 2 with stride 2 beside a max pooling by 2, each with ReLU, flattened; joined; dense to one logit.

    python3 explainer_vectors.py > explainer_vectors.h
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
H, W, C = 8, 6, 2
pixels = torch.tensor([[[(11 * y + 5 * x + 3 * c + 7 * y * x + (90 if y > 4 and x < 3 else 0)) % 256 / 255 for x in range(W)] for y in range(H)] for c in range(C)])[None]


def weights(*shapes):
    return [torch.tensor([math.cos(0.9 * j + 2 * k) / 2 for j in range(math.prod(s))]).reshape(s) for k, s in enumerate(shapes)]


def flat(x):
    w = weights((4, C, 3, 3), (4,), (3, 4, 3, 3), (3,), (3, 3 * 4 * 3), (3,))
    x = F.max_pool2d(F.relu(F.conv2d(x, w[0], w[1], padding=1)), 2)
    a = F.relu(F.conv2d(x, w[2], w[3], padding=1))
    a.retain_grad()
    return [a], F.linear(a.flatten(1), w[4], w[5])


def branches(x):
    w = weights((4, C, 3, 3), (4,), (2, 4, 3, 3), (2,), (1, 2 * 12 + 4 * 12), (1,))
    x = F.relu(F.conv2d(x, w[0], w[1], padding=1))
    a = F.relu(F.conv2d(x, w[2], w[3], padding=1, stride=2))
    b = F.relu(F.max_pool2d(x, 2))
    a.retain_grad()
    b.retain_grad()
    z = F.linear(torch.cat([a.flatten(1), b.flatten(1)], 1), w[4], w[5])
    return [a, b], torch.cat([-z, z], 1)


def heat(network, label, hires):
    maps, logits = network(pixels.clone().requires_grad_())
    logits[0, label].backward()
    total = 0
    for a in maps:
        weight = a.grad if hires else a.grad.mean((2, 3), keepdim=True)
        total = total + F.interpolate(F.relu((weight * a.detach()).sum(1, keepdim=True)), size=(2 * H, 2 * W), mode="bilinear", align_corners=False)
    return (total / total.max() if total.max() > 0 else total).flatten().tolist()


print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by explainer_vectors.py with PyTorch {torch.__version__}. */")
print(f"enum {{ HEAT_SIZE = {4 * H * W} }};")
print("static const struct explainer_case {\n  const char *network;\n  int class, hires;\n  float heat[HEAT_SIZE];\n} explainer_cases[] = {")
for network, classes in ((flat, 3), (branches, 2)):
    for label in range(classes):
        for hires in (0, 1):
            values = heat(network, label, hires)
            print(f'    {{"{network.__name__}", {label}, {hires}, {{{", ".join(f"{v:.7g}" + ("f" if "." in f"{v:.7g}" else "") for v in values)}}}}},')
print("};")
