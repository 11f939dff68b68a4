#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes augment_vectors.json: small images augmented by torchvision, SciPy and NumPy, from the random numbers that Assay draws.

The draws are Philox's (implemented anew here), one uniform number a purpose; what is made of them is written down from docs/augmentation.md. Samples of a
case are [N, H, W, C] of 0 ... 255. Run it beside the file: python augment_vectors.py > augment_vectors.json
"""
import colorsys
import json

import numpy
import torch
import torchvision.transforms.functional as T
from scipy import ndimage

DRAWS = ["flip_horizontal", "flip_vertical", "is_turned", "turns", "rotation", "zoom", "shift_across", "shift_down", "shear_along", "shear_across",
         "tilt_across", "tilt_down", "crop", "crop_across", "crop_down", "blur", "brightness", "contrast", "saturation", "hue", "noise", "cutout",
         "cutout_across", "cutout_down"]
cases = []
generator = numpy.random.default_rng(7)


def philox(counter, key):
    counter, key = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ key[0], b & 0xFFFFFFFF, (a >> 32) ^ counter[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def draws(key):
    words = [word for block in range(6) for word in philox((block, 0, 0, 0), key)]
    return {name: (word >> 8) * 2.0**-24 for name, word in zip(DRAWS, words)}


def images(count, height, width, channels=3, low=0, high=256):
    return generator.integers(low, high, (count, height, width, channels)).astype(float)


def case(name, pictures, function, border="reflect", tolerance=2e-3, most=None, mean=None, **strengths):
    """function(picture, draws) gives the augmented picture; `most`: the largest strengths of the search, where they differ."""
    keys = generator.integers(0, 2**32, (len(pictures), 2)).tolist()
    expected = [function(picture, draws(key)) for picture, key in zip(pictures, keys)]
    cases.append({"name": name, "border": border, "tolerance": tolerance, "strengths": strengths, "most": most or {}, "keys": keys,
                  "shape": list(pictures.shape), "mean": mean or [0.0] * pictures.shape[3], "pixels": pictures.astype(int).flatten().tolist(),
                  "expected": [round(x, 4) for x in numpy.array(expected).flatten().tolist()]})


def tensor(picture):
    return torch.tensor(picture).permute(2, 0, 1).double()


def picture(tensor):
    return tensor.permute(1, 2, 0).numpy()


def signed(u):
    return 2 * u - 1


# ---- Geometry ----
case("flips", images(6, 5, 7), lambda x, d: (lambda y: y[::-1] if d["flip_vertical"] < 0.5 else y)(x[:, ::-1] if d["flip_horizontal"] < 0.5 else x),
     flip_horizontal=0.5, flip_vertical=0.5)
case("turns", images(6, 6, 6), lambda x, d: numpy.rot90(x, int(3 * d["turns"]) + 1) if d["is_turned"] < 0.75 else x, quarter_turns=0.75)

rotate = lambda x, d: picture(T.rotate(tensor(x), signed(d["rotation"]) * 40, interpolation=T.InterpolationMode.BILINEAR))
case("rotation", images(3, 8, 8), rotate, border="black", rotation=40)
zoom = lambda x, d: picture(T.affine(tensor(x), 0, [0, 0], 1.5 ** -signed(d["zoom"]), [0, 0], interpolation=T.InterpolationMode.BILINEAR))
case("zoom", images(3, 7, 9), zoom, border="black", zoom=0.5)


def sampled(x, function, mode):
    """x at the places that `function` gives for places from the centre."""
    height, width = x.shape[:2]
    v, u = numpy.mgrid[:height, :width].astype(float)
    across, down = function(u - (width - 1) / 2, v - (height - 1) / 2, width, height)
    places = [down + (height - 1) / 2, across + (width - 1) / 2]
    return numpy.stack([ndimage.map_coordinates(x[..., c], places, order=1, mode=mode) for c in range(x.shape[2])], -1)


def sheared(d):
    a, b = (numpy.tan(numpy.radians(20 * signed(d[name]))) for name in ("shear_along", "shear_across"))
    return lambda u, v, width, height: (u + a * v, b * u + v)


case("shear", images(2, 7, 9), lambda x, d: sampled(x, sheared(d), "grid-constant"), border="black", shear=20)
case("shift", images(3, 7, 9), lambda x, d: sampled(x, lambda u, v, w, h: (u + 0.3 * w * signed(d["shift_across"]), v + 0.3 * h * signed(d["shift_down"])), "reflect"),
     shift=0.3)
case("edge", images(3, 7, 9), lambda x, d: sampled(x, lambda u, v, w, h: (u + 0.3 * w * signed(d["shift_across"]), v + 0.3 * h * signed(d["shift_down"])), "nearest"),
     border="edge", shift=0.3)


def cropped(x, d):
    cut = 0.6 * d["crop"]
    return sampled(x, lambda u, v, w, h: ((1 - cut) * u + cut * w * (d["crop_across"] - 0.5), (1 - cut) * v + cut * h * (d["crop_down"] - 0.5)), "reflect")


case("crop", images(3, 8, 10), cropped, crop=0.6)


def tilted(x, d):
    def places(u, v, w, h):
        z = 1 + 0.2 * signed(d["tilt_across"]) * 2 * u / w + 0.2 * signed(d["tilt_down"]) * 2 * v / h
        return u / z, v / z
    return sampled(x, places, "nearest")


case("perspective", images(3, 8, 10), tilted, border="edge", perspective=0.2)


def everything(x, d):
    def places(u, v, w, h):
        z = 1 + 0.1 * signed(d["tilt_across"]) * 2 * u / w + 0.1 * signed(d["tilt_down"]) * 2 * v / h
        p = numpy.stack([u / z, v / z])
        size = 1.2 ** signed(d["zoom"]) * (1 - 0.3 * d["crop"])
        a, b = (numpy.tan(numpy.radians(10 * signed(d[name]))) for name in ("shear_along", "shear_across"))
        angle = numpy.radians(25 * signed(d["rotation"])) + (numpy.pi / 2 * (1 + numpy.floor(3 * d["turns"])) if d["is_turned"] < 0.6 else 0)
        turn = numpy.array([[numpy.cos(angle), -numpy.sin(angle)], [numpy.sin(angle), numpy.cos(angle)]])
        flip = numpy.diag([-1 if d["flip_horizontal"] < 0.5 else 1, -1 if d["flip_vertical"] < 0.4 else 1])
        p = numpy.einsum("ij,jhw->ihw", flip @ turn @ numpy.array([[1, a], [b, 1]]) * size, p)
        return (p[0] + 0.1 * w * signed(d["shift_across"]) + 0.3 * d["crop"] * w * (d["crop_across"] - 0.5),
                p[1] + 0.1 * h * signed(d["shift_down"]) + 0.3 * d["crop"] * h * (d["crop_down"] - 0.5))
    return sampled(x, places, "reflect")


case("geometry", images(4, 9, 12), everything, flip_horizontal=0.5, flip_vertical=0.4, quarter_turns=0.6, rotation=25, zoom=0.2, shift=0.1, shear=10,
     perspective=0.1, crop=0.3, tolerance=1e-2)
case("unused", images(2, 6, 7), lambda x, d: x, rotation=0, hue=0, brightness=0, contrast=0, saturation=0, cutout=0, blur=0, noise=0,
     most={"rotation": 90, "hue": 60, "brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "cutout": 0.5, "blur": 2, "noise": 20})

# ---- Blur ----
case("blur", images(4, 9, 11), lambda x, d: numpy.stack([ndimage.gaussian_filter(x[..., c], 1.5 * d["blur"], mode="nearest", radius=6) for c in range(3)], -1),
     blur=1.5, most={"blur": 2})

# ---- Colours: mid greys, so that nothing is cut off ----
middle = lambda count: images(count, 5, 6, low=100, high=150)
case("brightness", middle(3), lambda x, d: picture(T.adjust_brightness(tensor(x) / 255, 1 + 0.3 * signed(d["brightness"]))) * 255, brightness=0.3)
# torchvision's luma is 0.2989 red: a few hundredths of a grey level.
case("contrast", middle(3), lambda x, d: picture(T.adjust_contrast(tensor(x) / 255, 1 + 0.5 * signed(d["contrast"]))) * 255, tolerance=0.05, contrast=0.5)
case("grey contrast", images(3, 5, 6, 1, 100, 150), lambda x, d: x.mean() + (1 + 0.5 * signed(d["contrast"])) * (x - x.mean()), contrast=0.5)
case("saturation", middle(3), lambda x, d: picture(T.adjust_saturation(tensor(x) / 255, 1 + 0.5 * signed(d["saturation"]))) * 255, tolerance=0.05,
     saturation=0.5)


def hue(x, d):
    """The YIQ of colorsys has coefficients of two digits."""
    angle, turned = numpy.radians(120 * signed(d["hue"])), numpy.empty_like(x)
    matrix = numpy.array([colorsys.rgb_to_yiq(*row) for row in numpy.eye(3)]).T
    y, i, q = numpy.einsum("ij,hwj->ihw", matrix, x)
    i, q = i * numpy.cos(angle) + q * numpy.sin(angle), q * numpy.cos(angle) - i * numpy.sin(angle)
    return numpy.einsum("ij,jhw->hwi", numpy.linalg.inv(matrix), numpy.stack([y, i, q]))


case("hue", middle(4), hue, tolerance=1.5, hue=120)


def all_colours(x, d):
    luma = numpy.array([0.299, 0.587, 0.114])
    x = x * (1 + 0.2 * signed(d["brightness"]))
    grey = (x @ luma).mean()
    x = grey + (1 + 0.3 * signed(d["contrast"])) * (x - grey)
    grey = (x @ luma)[..., None]
    x = grey + (1 + 0.4 * signed(d["saturation"])) * (x - grey)
    angle, grey = numpy.radians(50 * signed(d["hue"])), x @ luma
    u, v = 0.492 * (x[..., 2] - grey), 0.877 * (x[..., 0] - grey)
    u, v = u * numpy.cos(angle) - v * numpy.sin(angle), u * numpy.sin(angle) + v * numpy.cos(angle)
    red, blue = grey + v / 0.877, grey + u / 0.492
    return numpy.stack([red, (grey - 0.299 * red - 0.114 * blue) / 0.587, blue], -1).clip(0, 255)


case("colours", images(4, 5, 6), all_colours, tolerance=1e-2, brightness=0.2, contrast=0.3, saturation=0.4, hue=50)


# ---- Cutout ----
def cut(x, d):
    height, width = x.shape[:2]
    across = abs(numpy.arange(width) + 0.5 - width * d["cutout_across"]) < 0.7 * d["cutout"] * width / 2
    down = abs(numpy.arange(height) + 0.5 - height * d["cutout_down"]) < 0.7 * d["cutout"] * height / 2
    return numpy.where((down[:, None] & across)[..., None], numpy.array([10.0, 20, 30]), x)


case("cutout", images(4, 12, 9), cut, mean=[10.0, 20.0, 30.0], cutout=0.7)

print("[" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in cases) + "]")
