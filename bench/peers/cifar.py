#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's side of bench/cifar-experiment: the network of examples/cifar.ini on the same train/, val/ and test/ folders. Prints one JSON object.

    cifar.py DATA SEED THREADS
"""
import json, os, sys, time
import numpy, torch
from PIL import Image
from torch import nn


def load(folder):
    classes = sorted(os.listdir(folder))
    images, labels = [], []
    for number, name in enumerate(classes):
        for file in sorted(os.listdir(os.path.join(folder, name))):
            images.append(numpy.asarray(Image.open(os.path.join(folder, name, file)).convert("RGB")))
            labels.append(number)
    return torch.from_numpy(numpy.stack(images)).permute(0, 3, 1, 2).float(), torch.tensor(labels)


def main():
    data, seed, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    (x, y), (vx, vy), (tx, ty) = (load(os.path.join(data, part)) for part in ("train", "val", "test"))
    mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    x, vx, tx = ((part - mean) / deviation for part in (x, vx, tx))
    layers, channels = [], 3
    for width in (32, 64, 128):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2)]
        channels = width
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
    loss_of = nn.CrossEntropyLoss()
    best, weights = float("inf"), None
    began = time.time()

    def judge(px, py):
        net.eval()
        with torch.no_grad():
            logits = torch.cat([net(part) for part in px.split(500)])
        return loss_of(logits, py).item(), (logits.argmax(1) == py).float().mean().item()

    for _ in range(8):
        net.train()
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss_of(net(x[rows]), y[rows]).backward()
            optimizer.step()
        loss, _ = judge(vx, vy)
        if loss < best:
            best, weights = loss, {k: v.clone() for k, v in net.state_dict().items()}
    seconds = time.time() - began
    net.load_state_dict(weights)
    loss, accuracy = judge(tx, ty)
    print(json.dumps({"seed": seed, "validation_loss": best, "test_loss": loss, "test_accuracy": accuracy, "seconds": seconds}))


main()
