#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints resize_vectors.h: Pillow's bilinear resize of a 23 x 17 grey picture whose pixel i is (i * i * 7 + i * 31) % 251, short side to 10, and torchvision's
centre crop of 8 x 7 (width x height) of that.

    python3 resize_vectors.py > resize_vectors.h
"""
import PIL
from PIL import Image
import torchvision
from torchvision.transforms import functional as F

picture = Image.new("L", (23, 17))
picture.putdata([(i * i * 7 + i * 31) % 251 for i in range(23 * 17)])
cut = F.center_crop(F.resize(picture, 10, F.InterpolationMode.BILINEAR), (7, 8))
print("/* SPDX-License-Identifier: MIT */")
print(f"/* Written by resize_vectors.py with Pillow {PIL.__version__}, torchvision {torchvision.__version__.split('+')[0]}. */")
print(f"static const uint8_t resized[] = {{{', '.join(map(str, cut.tobytes()))}}};")
