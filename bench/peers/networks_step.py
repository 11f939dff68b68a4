# SPDX-License-Identifier: MIT
"""The peer of bench/networks: torchvision's network in PyTorch on the CPU, f32, trained with Adam or in inference mode.

Times contiguous and channels-last images and prints one JSON object with both and with the better one's median.
Usage: networks_step.py [--network resnet18] [--training 1] [--batch 16] [--size 128] [--threads 1] [--steps 10] [--clock wall|thread] [--layout both|last|first]
"""
import argparse
import json
import statistics
import time


def measure(options, channels_last):
    import torch
    import torchvision

    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    model = getattr(torchvision.models, options.network)()
    images = torch.rand(options.batch, 3, options.size, options.size)
    if channels_last:
        model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    model.train(bool(options.training))
    targets = torch.arange(options.batch) % 1000
    optimizer, loss_of = torch.optim.Adam(model.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss()

    def train():
        optimizer.zero_grad()
        loss_of(model(images), targets).backward()
        optimizer.step()

    def infer():
        with torch.inference_mode():
            model(images)

    step, times, now = train if options.training else infer, [], time.thread_time if options.clock == "thread" else time.perf_counter
    for _ in range(options.steps):
        start = now()
        step()
        times.append(1e3 * (now() - start))
    warm = (options.steps + 4) // 5 if options.steps > 1 else 0
    return statistics.median(times[warm:])


def main():
    parser = argparse.ArgumentParser()
    for name, value in {"training": 1, "batch": 16, "size": 128, "threads": 1, "steps": 10}.items():
        parser.add_argument("--" + name, type=int, default=value)
    for name, value in {"network": "resnet18", "clock": "wall", "layout": "both"}.items():
        parser.add_argument("--" + name, default=value)
    options = parser.parse_args()
    layouts = {"both": (False, True), "last": (True,), "first": (False,)}[options.layout]
    results = {"channels last" if last else "contiguous": measure(options, last) for last in layouts}
    best = min(results, key=results.get)
    print(json.dumps({"median_ms": results[best], "best": best, "all": results}))


if __name__ == "__main__":
    main()
