#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""torchvision's loader on the files of bench/loading: decode, resize, augment, normalise, batch, in worker processes.

    loading.py make FOLDER PHOTOGRAPHS [COUNT]     500x500 JPEGs from photographs
    loading.py FOLDER WORKERS [BATCH [SIDE [ROUNDS]]]
"""
import os, sys, time


def make(folder, source, count):
    from PIL import Image
    os.makedirs(folder, exist_ok=True)
    names = sorted(os.listdir(source))
    for i in range(count):
        image = Image.open(os.path.join(source, names[i % len(names)])).convert("RGB").resize((500, 500), Image.BILINEAR)
        (image if i < len(names) else image.transpose(Image.FLIP_LEFT_RIGHT)).save(os.path.join(folder, "%04d.jpg" % i), quality=90)


def main():
    if sys.argv[1] == "make":
        return make(sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 192)
    import torch
    from PIL import Image
    from torchvision import transforms
    folder, workers = sys.argv[1], int(sys.argv[2])
    batch, side, rounds = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((3, 32), (4, 224), (5, 3)))
    torch.set_num_threads(1)
    plain = [transforms.Resize((side, side))]
    random = [transforms.RandomHorizontalFlip(), transforms.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=transforms.InterpolationMode.BILINEAR),
              transforms.ColorJitter(0.2, 0.2, 0.2)]
    last = [transforms.ToTensor(), transforms.Normalize([0.47] * 3, [0.235] * 3)]
    files = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    class Files(torch.utils.data.Dataset):
        def __init__(self, steps):
            self.steps = transforms.Compose(steps)

        def __len__(self):
            return len(files)

        def __getitem__(self, i):
            return self.steps(Image.open(files[i]).convert("RGB"))

    for what, steps in (("decode, resize", plain + [transforms.PILToTensor()]), ("all (every epoch)", plain + random + last)):
        loader = torch.utils.data.DataLoader(Files(steps), batch, num_workers=workers, persistent_workers=workers > 0, drop_last=True)
        best = best_processor = 0
        for _ in range(rounds + 1):
            start, processor, done = time.perf_counter(), time.process_time(), 0
            for images in loader:
                done += len(images)
            best = max(best, done / (time.perf_counter() - start))
            best_processor = max(best_processor, done / (time.process_time() - processor))
        # With workers the processor time is theirs, not this process'.
        print("%-28s %8.1f images/s" % (what, best) + (", %8.1f a second of processor time" % best_processor if workers == 0 else ""), flush=True)


main()
