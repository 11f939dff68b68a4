#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints network_vectors.h: what torchvision's networks have (parameters) and give, in double, for weights and images that follow from a formula.

Number i of the tensor called NAME is u = hash(crc32(NAME) + i) in [-1, 1), scaled: weights of rank 2 and more sqrt(6 / fan_in) u, scales of batch normalisation
1 + u / 5, running variances 1 + u / 3, everything else u / 5. Pixel i of the images is sin(0.7 i + 0.1).

    python3 network_vectors.py > network_vectors.h
"""
import math
import zlib

import torch
import torch.nn.functional as F
import torchvision.models as models
from torch import nn

torch.set_default_dtype(torch.float64)
CLASSES = 3


def noise(name, count):
    x = (torch.arange(count, dtype=torch.int64) + zlib.crc32(name.encode())) & 0xFFFFFFFF
    for _ in range(2):
        x = ((x >> 16) ^ x) * 0x45D9F3B & 0xFFFFFFFF
    return ((x >> 16) ^ x).double() / 2**31 - 1


def fill(network, rename):
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        u = noise(rename(name), tensor.numel()).reshape(tensor.shape)
        if tensor.dim() > 1:
            u = u * math.sqrt(6 / (tensor.numel() / tensor.shape[0]))
        elif name.endswith("running_var"):
            u = 1 + u / 3
        elif name.endswith("weight"):
            u = 1 + u / 5
        else:
            u = u / 5
        state[name] = u
    network.load_state_dict(state)


class Basic(nn.Module):
    """He et al.'s block of section 4.2, with the shortcut of option A."""

    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        more = y.shape[1] - x.shape[1]
        if more:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, more // 2, more // 2))
        return F.relu(x + y)


class Cifar(nn.Module):
    def __init__(self, n, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inputs = 16
        for stage, planes in enumerate((16, 32, 64)):
            blocks = []
            for i in range(n):
                blocks.append(Basic(inputs, planes, 2 if i == 0 and stage else 1))
                inputs = planes
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def v1(classes):
    network = models.resnet50(num_classes=classes)
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return network


def published(classes):
    """With the pooling of He et al.'s Caffe networks."""
    network = models.resnet18(num_classes=classes)
    network.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    return network


def slim_vgg(maker):
    def make(classes):
        network = maker(num_classes=classes)
        if classes == CLASSES:
            network.classifier[0], network.classifier[3], network.classifier[6] = nn.Linear(25088, 8), nn.Linear(8, 8), nn.Linear(8, classes)
        return network

    return make


def zoo(maker):
    return lambda classes: maker(num_classes=classes)


# name, layer, options, height, width, maker, classes that the parameters are counted for (those of the published figure)
CASES = [
    ("resnet18", "resnet18", "", 32, 40, zoo(models.resnet18), 1000),
    ("resnet18_same", "resnet18", "pool_padding=same", 32, 40, published, 1000),
    ("resnet34", "resnet34", "", 32, 32, zoo(models.resnet34), 1000),
    ("resnet50", "resnet50", "", 32, 40, zoo(models.resnet50), 1000),
    ("resnet50_v1", "resnet50", "variant=v1", 32, 32, v1, 1000),
    ("resnext50_32x4d", "resnext50_32x4d", "", 32, 32, zoo(models.resnext50_32x4d), 1000),
    ("resnet20", "resnet20", "", 12, 16, lambda c: Cifar(3, c), 10),
    ("resnet32", "resnet32", "", 8, 8, lambda c: Cifar(5, c), 10),
    ("resnet44", "resnet44", "", 8, 8, lambda c: Cifar(7, c), 10),
    ("resnet56", "resnet56", "", 8, 8, lambda c: Cifar(9, c), 10),
    ("resnet110", "resnet110", "", 8, 8, lambda c: Cifar(18, c), 10),
    ("vgg11", "vgg11", "hidden=8", 32, 32, slim_vgg(models.vgg11), 1000),
    ("vgg13", "vgg13", "hidden=8", 32, 32, slim_vgg(models.vgg13), 1000),
    ("vgg16", "vgg16", "hidden=8", 32, 32, slim_vgg(models.vgg16), 1000),
    ("vgg19", "vgg19", "hidden=8", 32, 32, slim_vgg(models.vgg19), 1000),
    ("vgg11_bn", "vgg11_bn", "hidden=8", 32, 32, slim_vgg(models.vgg11_bn), 1000),
    ("vgg13_bn", "vgg13_bn", "hidden=8", 32, 32, slim_vgg(models.vgg13_bn), 1000),
    ("vgg16_bn", "vgg16_bn", "hidden=8", 32, 32, slim_vgg(models.vgg16_bn), 1000),
    ("vgg19_bn", "vgg19_bn", "hidden=8", 32, 32, slim_vgg(models.vgg19_bn), 1000),
    ("mobilenet_v2", "mobilenet_v2", "", 32, 40, zoo(models.mobilenet_v2), 1000),
    ("mobilenet_v2_035", "mobilenet_v2", "width=0.35", 32, 32, lambda c: models.mobilenet_v2(num_classes=c, width_mult=0.35), 1000),
    ("mobilenet_v2_140", "mobilenet_v2", "width=1.4", 32, 32, lambda c: models.mobilenet_v2(num_classes=c, width_mult=1.4), 1000),
]
LAST = {"fc.weight": "classifier.weight", "fc.bias": "classifier.bias", "linear.weight": "classifier.weight", "linear.bias": "classifier.bias",
        "classifier.6.weight": "classifier.weight", "classifier.6.bias": "classifier.bias", "classifier.1.weight": "classifier.weight",
        "classifier.1.bias": "classifier.bias"}

print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by network_vectors.py with PyTorch {torch.__version__.split('+')[0]} and torchvision's networks. */")
print("static const struct network_case network_cases[] = {")
for name, layer, options, height, width, make, classes in CASES:
    parameters = sum(p.numel() for p in make(classes).parameters())
    network = make(CLASSES).eval()
    fill(network, lambda n: LAST.get(n, n))
    x = torch.sin(0.7 * torch.arange(3 * height * width) + 0.1).reshape(1, 3, height, width)
    with torch.no_grad():
        values = network(x).reshape(-1).tolist()
    print(f'    {{"{name}", "{layer}", "{options}", {height}, {width}, {classes}, {parameters}, {{{", ".join(repr(v) for v in values)}}}}},')
print("};")
