# SPDX-License-Identifier: MIT
"""The peer of bench/step on a GPU: the same networks and products in PyTorch through CUDA, f32 with TF32 off (on the CPU where there is no CUDA).

Prints one JSON object with the best median over contiguous and channels-last images. Usage: as bench/step; --who says in words what would be timed.
"""
import argparse
import json
import statistics
import time

import torch
from student_step import network as student


class Block(torch.nn.Module):
    """The basic block of ResNet (He et al., 2016)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()

        def unit(channels_in, kernel, step):
            return torch.nn.Sequential(
                torch.nn.Conv2d(channels_in, outputs, kernel, step, kernel // 2, bias=False), torch.nn.BatchNorm2d(outputs)
            )

        self.first, self.second = unit(inputs, 3, stride), unit(outputs, 3, 1)
        self.shortcut = torch.nn.Identity() if stride == 1 and inputs == outputs else unit(inputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


def resnet18():
    layers = [torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(64), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage in range(4):
        for i in range(2):
            layers.append(Block(inputs, 64 << stage, 2 if stage > 0 and i == 0 else 1))
            inputs = 64 << stage
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(512, 1000))


def timed(device, steps, work):
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[steps // 5 :])


def measure(options, device, channels_last):
    torch.manual_seed(1)
    if options.network == "gemm":
        a, b = (torch.rand(options.size, options.size, device=device) for _ in range(2))
        return timed(device, options.steps, lambda: torch.mm(a, b))
    deep = options.network == "resnet18"
    model = resnet18() if deep else student(options.channels, options.blocks, options.kernel, options.pool, options.activation, options.height, options.width)
    form = {"memory_format": torch.channels_last} if channels_last else {}
    model = model.to(device, **form)
    images = (torch.rand(options.batch, 3, options.height, options.width) * 2 - 1).to(device, **form)
    targets = (torch.arange(options.batch) % 1000 if deep else (torch.rand(options.batch, 1) < 0.5).float()).to(device)
    loss_of = torch.nn.CrossEntropyLoss() if deep else torch.nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        loss_of(model(images), targets).backward()
        optimizer.step()

    def infer():
        with torch.inference_mode():
            loss_of(model(images), targets)

    model.train(bool(options.training))
    return timed(device, options.steps, step if options.training else infer)


def main():
    parser = argparse.ArgumentParser()
    numbers = {"channels": 16, "blocks": 2, "kernel": 3, "pool": 2, "batch": 16, "height": 30, "width": 60, "steps": 200, "training": 1, "size": 1024}
    for name, value in numbers.items():
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--network", default="student")
    parser.add_argument("--who", action="store_true")
    options = parser.parse_args()
    if options.who:
        where = f"CUDA {torch.version.cuda} on {torch.cuda.get_device_name()}, f32 with TF32 off" if torch.cuda.is_available() else "the CPU: it finds no CUDA here"
        print(f"PyTorch {torch.__version__} on {where}")
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    device = "cuda" if torch.cuda.is_available() else "cpu"
    best = min(measure(options, device, channels_last) for channels_last in (False, True))
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(json.dumps({"median_ms": best, "device": name}))


main()
