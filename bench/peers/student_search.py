#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's side of bench/search-replay: trains the points of a stored list, fold by fold, for the same epochs. Prints the seconds from start to end.

    student_search.py POINTS.json PROCESSES

POINTS.json: {"data": folder, "split": split.csv, "batch": 16, "points": [{"params": {…}, "epochs": [a number a fold]}, …]}
"""
import csv, json, multiprocessing, os, sys, time


def load(data, split):
    import numpy, torch
    from PIL import Image

    rows = [r for r in csv.DictReader(open(split)) if r["part"] == "train"]
    classes = sorted({r["label"] for r in rows})
    images = [numpy.asarray(Image.open(os.path.join(data, r["path"])).convert("RGB").resize((60, 30), Image.BILINEAR)) for r in rows]
    x = torch.from_numpy(numpy.stack(images)).permute(0, 3, 1, 2).float()
    y = torch.tensor([float(classes.index(r["label"])) for r in rows])
    return x, y, torch.tensor([int(r["fold"]) for r in rows])


def network(p):
    from torch import nn

    activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "leaky_relu": nn.LeakyReLU}[p["layer.features.activation"]]
    layers, channels, h, w = [], 3, 30, 60
    for block in range(int(p["layer.features.blocks"])):
        width, k, pool = int(p["layer.features.channels"]) << block, int(p["layer.features.kernel"]), int(p["layer.features.pool"])
        layers += [nn.Conv2d(channels, width, k, padding=(k - 1) // 2), activation(), nn.MaxPool2d(pool, 2)]
        channels, h, w = width, (h - pool) // 2 + 1, (w - pool) // 2 + 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * h * w, 1))


def train(x, y, folds, point, batch):
    import torch

    p = point["params"]
    for fold, epochs in enumerate(point["epochs"]):
        tx, ty, vx, vy = x[folds != fold], y[folds != fold], x[folds == fold], y[folds == fold]
        mean, deviation = tx.mean((0, 2, 3), keepdim=True), tx.std((0, 2, 3), keepdim=True)
        tx, vx = (tx - mean) / deviation, (vx - mean) / deviation
        net = network(p)
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}[p["optimizer.type"]]
        optimizer = kind(net.parameters(), lr=float(p["optimizer.learning_rate"]))
        loss_of = torch.nn.BCEWithLogitsLoss()
        for _ in range(epochs):
            net.train()
            for rows in torch.randperm(len(tx)).split(batch):
                optimizer.zero_grad()
                loss_of(net(tx[rows]).squeeze(1), ty[rows]).backward()
                optimizer.step()
            net.eval()
            with torch.no_grad():
                loss_of(net(vx).squeeze(1), vy).item()


def work(job, start, step):
    import torch

    torch.set_num_threads(1)
    x, y, folds = load(job["data"], job["split"])
    for point in job["points"][start::step]:
        train(x, y, folds, point, job["batch"])


def main():
    job, processes = json.load(open(sys.argv[1])), int(sys.argv[2])
    began = time.time()
    running = [multiprocessing.get_context("spawn").Process(target=work, args=(job, i, processes)) for i in range(processes)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    print(json.dumps({"seconds": time.time() - began}))


if __name__ == "__main__":
    main()
