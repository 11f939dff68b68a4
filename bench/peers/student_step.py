# SPDX-License-Identifier: MIT
"""The peer of bench/step: one training step of the same network in PyTorch, one thread.

Times contiguous and channels-last images, eager and torch.compile (where it works), and prints one JSON object with all of them
and the best. Usage: student_step.py [--channels 16] [--blocks 2] [--kernel 3] [--pool 2] [--activation relu] [--batch 16] [--steps 200]
[--threads 1] [--compile yes|no] [--clock wall|thread]
"""
import argparse
import json
import statistics
import time

import torch


def network(channels, blocks, kernel, pool, activation, height, width):
    layers, inputs = [], 3
    kind = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "leaky_relu": torch.nn.LeakyReLU}[activation]
    for block in range(blocks):
        outputs = channels << block
        layers += [torch.nn.Conv2d(inputs, outputs, kernel, padding=(kernel - 1) // 2), kind(), torch.nn.MaxPool2d(pool, 2)]
        inputs, height, width = outputs, (height - pool) // 2 + 1, (width - pool) // 2 + 1
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(inputs * height * width, 1))


def measure(options, channels_last, compiled):
    torch.manual_seed(1)
    model = network(options.channels, options.blocks, options.kernel, options.pool, options.activation, options.height, options.width)
    images = torch.rand(options.batch, 3, options.height, options.width) * 2 - 1
    targets = (torch.rand(options.batch, 1) < 0.5).float()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run = torch.compile(model) if compiled else model
    loss_of = torch.nn.BCEWithLogitsLoss()
    times, now = [], time.thread_time if options.clock == "thread" else time.perf_counter
    for _ in range(options.steps):
        start = now()
        optimizer.zero_grad()
        loss_of(run(images), targets).backward()
        optimizer.step()
        times.append(1e3 * (now() - start))
    return statistics.median(times[options.steps // 5 :])


def main():
    parser = argparse.ArgumentParser()
    for name, value in {"channels": 16, "blocks": 2, "kernel": 3, "pool": 2, "batch": 16, "height": 30, "width": 60, "steps": 200, "threads": 1}.items():
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--clock", default="wall")
    parser.add_argument("--compile", default="yes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = {}
    for compiled in (False, True) if options.compile == "yes" else (False,):
        for channels_last in (False, True):
            name = ("compiled" if compiled else "eager") + (", channels last" if channels_last else ", contiguous")
            try:
                results[name] = round(measure(options, channels_last, compiled), 4)
            except Exception as error:  # torch.compile needs a C++ compiler
                results[name] = str(error).splitlines()[0][:100]
    times = {name: value for name, value in results.items() if isinstance(value, float)}
    best = min(times, key=times.get)
    print(json.dumps({"median_ms": times[best], "best": best, "all": results, "version": torch.__version__}))


if __name__ == "__main__":
    main()
