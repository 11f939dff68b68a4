#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints gradient_vectors.h: what torch.optim makes of a weight in six steps, in single precision.

Element i of the weight starts as sin(0.7 i + 0.1); its gradient at step t (from 1) is cos(1.1 i + 0.9 t) / t, twice that at t = 3.

Where gradients are clipped, a second parameter with twice the gradient is clipped with it.

    python3 gradient_vectors.py > gradient_vectors.h
"""
import math

import torch

COUNT, STEPS = 5, 6
print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by gradient_vectors.py with PyTorch {torch.__version__.split('+')[0]}. */")
print(f"enum {{ VECTOR_COUNT = {COUNT}, VECTOR_STEPS = {STEPS} }};")
print("static const struct gradient_vector {\n  const char *optimizer, *options;\n  double weights[VECTOR_STEPS][VECTOR_COUNT]; /* after each step */\n} gradient_vectors[] = {")
cases = [
    ("sgd", "learning_rate=0.1;momentum=0", torch.optim.SGD, dict(lr=0.1)),
    ("sgd", "learning_rate=0.1;momentum=0.9;weight_decay=0.05", torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.05)),
    ("sgd", "learning_rate=0.05;momentum=0.8;nesterov=yes", torch.optim.SGD, dict(lr=0.05, momentum=0.8, nesterov=True)),
    ("rmsprop", "learning_rate=0.01", torch.optim.RMSprop, dict(lr=0.01)),
    ("rmsprop", "learning_rate=0.02;smoothing=0.9;momentum=0.5;epsilon=0.001;weight_decay=0.1", torch.optim.RMSprop,
     dict(lr=0.02, alpha=0.9, momentum=0.5, eps=0.001, weight_decay=0.1)),
    ("adam", "learning_rate=0.01", torch.optim.Adam, dict(lr=0.01)),
    ("adam", "learning_rate=0.05;beta1=0.8;beta2=0.95;epsilon=0.0001;weight_decay=0.1", torch.optim.Adam, dict(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
    ("adamw", "learning_rate=0.01", torch.optim.AdamW, dict(lr=0.01)),
    ("adamw", "learning_rate=0.05;beta1=0.7;weight_decay=0.3", torch.optim.AdamW, dict(lr=0.05, betas=(0.7, 0.999), weight_decay=0.3)),
    ("sgd", "learning_rate=0.1;clip=norm;clip_limit=0.8", torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    ("adam", "learning_rate=0.05;clip=norm;clip_limit=0.5", torch.optim.Adam, dict(lr=0.05)),
    ("adamw", "learning_rate=0.05;clip=value;clip_limit=0.2", torch.optim.AdamW, dict(lr=0.05)),
    ("rmsprop", "learning_rate=0.05;clip=value;clip_limit=0.2", torch.optim.RMSprop, dict(lr=0.05)),
]
for name, options, optimizer, arguments in cases:
    weight = torch.tensor([math.sin(0.7 * i + 0.1) for i in range(COUNT)], dtype=torch.float32, requires_grad=True)
    optimizer = optimizer([weight], **arguments)
    print(f'    {{"{name}",\n     "{options}",\n     {{')
    for t in range(1, STEPS + 1):
        weight.grad = torch.tensor([math.cos(1.1 * i + 0.9 * t) / t * (2 if t == 3 else 1) for i in range(COUNT)], dtype=torch.float32)
        other = torch.nn.Parameter(torch.zeros(COUNT))
        other.grad = 2 * weight.grad
        limit = float(options.split("clip_limit=")[1]) if "clip" in options else 0
        if "clip=norm" in options:
            torch.nn.utils.clip_grad_norm_([weight, other], limit)
        if "clip=value" in options:
            torch.nn.utils.clip_grad_value_([weight, other], limit)
        optimizer.step()
        print("         {" + ", ".join(repr(v) for v in weight.detach().double().tolist()) + "},")
    print("     }},")
print("};")
