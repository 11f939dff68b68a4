#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints resize_vectors.h: Pillow's bilinear resize of a 23 x 17 grey picture whose pixel i is (i * i * 7 + i * 31) % 251, short side to 10 and the long one
to the nearest pixel, and torchvision's centre crop of 8 x 7 (width x height) of that; and the same by PyTorch's interpolate, which does not smooth.

    python3 resize_vectors.py > resize_vectors.h
"""
import PIL
import torch
from PIL import Image
import torchvision
from torchvision.transforms import functional as F

picture = Image.new("L", (23, 17))
picture.putdata([(i * i * 7 + i * 31) % 251 for i in range(23 * 17)])
long = round(23 * 10 / 17)
cut = F.center_crop(picture.resize((long, 10), Image.BILINEAR), (7, 8))
plain = torch.tensor(list(picture.getdata()), dtype=torch.float64).view(1, 1, 17, 23)
plain = F.center_crop(torch.nn.functional.interpolate(plain, (10, long), mode="bilinear", align_corners=False), (7, 8)).flatten()
print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by resize_vectors.py with Pillow {PIL.__version__}, torchvision {torchvision.__version__.split('+')[0]}, PyTorch {torch.__version__.split('+')[0]}. */")
print(f"static const uint8_t resized[] = {{{', '.join(map(str, cut.tobytes()))}}};")
print(f"static const double interpolated[] = {{{', '.join(f'{x:.3f}' for x in plain.tolist())}}};")
