#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes vectors.json: what PyTorch computes for small cases of our ops, in f64, with gradients.

Inputs are multiples of 1/64 (or whole numbers), so that they are the same in f32 and short in text. The gradient is that of sum(output 0 * weight).
Run it beside the file: python make_vectors.py > vectors.json
"""
import json

import torch
import torch.nn.functional as F

torch.manual_seed(20240229)
torch.set_default_dtype(torch.float64)
cases = []


def draw(*shape, low=-2.0, high=2.0):
    """Random multiples of 1/64."""
    return torch.randint(int(low * 64), int(high * 64) + 1, shape).double() / 64


def stored(tensor):
    return {"shape": list(tensor.shape), "data": [int(x) if x == int(x) else x for x in tensor.detach().double().flatten().tolist()]}


def case(op, inputs, function, attributes=None, differentiate=None, integers=()):
    """`inputs` in the op's order; `differentiate`: numbers of the inputs that get a gradient (all floats by default)."""
    if differentiate is None:
        differentiate = [i for i in range(len(inputs)) if i not in integers]
    inputs = [x.clone() if i in integers else x.clone().requires_grad_(i in differentiate) for i, x in enumerate(inputs)]
    outputs = function(*inputs)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    entry = {"op": op, "attributes": attributes or {}, "inputs": [stored(x) for x in inputs], "integers": list(integers),
             "outputs": [stored(y) for y in outputs]}
    if differentiate:
        weight = draw(*outputs[0].shape, low=-1, high=1)
        gradients = torch.autograd.grad((outputs[0] * weight).sum(), [inputs[i] for i in differentiate])
        entry["weight"] = stored(weight)
        entry["gradients"] = [dict(stored(g), input=i) for i, g in zip(differentiate, gradients)]
    cases.append(entry)


# Elementwise. Ties are left out where PyTorch shares the gradient and we give it to the first.
plain, positive = draw(4, 7), draw(4, 7, low=1 / 64, high=4)
for name, function in [("negate", torch.neg), ("exp", torch.exp), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("erf", torch.erf),
                       ("relu", torch.relu), ("sin", torch.sin), ("cos", torch.cos), ("abs", torch.abs), ("sign", torch.sign), ("floor", torch.floor)]:
    case(name, [plain], function)
for name, function in [("log", torch.log), ("log1p", torch.log1p), ("sqrt", torch.sqrt)]:
    case(name, [positive], function)
case("sigmoid", [torch.tensor([-800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0])], torch.sigmoid)
for name, function in [("add", torch.add), ("subtract", torch.sub), ("multiply", torch.mul), ("maximum", torch.maximum), ("minimum", torch.minimum)]:
    case(name, [draw(3, 1, 5), draw(4, 1) + 1 / 128], function)
case("divide", [draw(3, 5), draw(5, low=0.25)], torch.div)
case("power", [positive, draw(7)], torch.pow)
# Compositions that layers make: exact gelu and silu.
case("gelu", [plain], F.gelu)
case("silu", [plain], F.silu)

# Reductions: ties share the gradient of the maximum.
case("reduce_sum", [draw(2, 3, 4)], lambda x: x.sum((0, 2)), {"axes": 0b101})
case("reduce_max", [torch.tensor([[1.0, 3, 3, -1], [2, 2, 2, 2], [0, -1, -2, -3]])], lambda x: x.amax(1), {"axes": 0b10})
case("argmax", [torch.tensor([[1.0, 3, 3, -1], [2, 2, 2, 2], [0, -1, -2, 5]])], lambda x: x.argmax(1), {"axes": 0b10}, differentiate=[])

# Place.
index = torch.tensor([2, 0, 2, 4])
case("gather", [draw(5, 3), index.double()], lambda x, i: x[i.long()], integers=(1,))
case("scatter_add", [draw(4, 3), index.double()], lambda x, i: torch.zeros(6, 3).index_add(0, i.long(), x), {"count": 6}, integers=(1,))
case("one_hot", [index.double()], lambda i: F.one_hot(i.long(), 6), {"count": 6}, integers=(0,))
case("transpose", [draw(2, 3, 4)], lambda x: x.permute(2, 0, 1).contiguous(), {"axes": [2, 0, 1]})

# Products.
for ta in (0, 1):
    for tb in (0, 1):
        case("matmul", [draw(*((4, 3) if ta else (3, 4))), draw(*((5, 4) if tb else (4, 5)))],
             lambda x, y, ta=ta, tb=tb: (x.T if ta else x) @ (y.T if tb else y), {"transpose_a": ta, "transpose_b": tb})
case("matmul", [draw(2, 3, 4), draw(2, 4, 5)], torch.matmul)


def convolution(x, w, stride=(1, 1), dilation=(1, 1), low=(0, 0), high=(0, 0), groups=1):
    attributes = {"stride": stride, "dilation": dilation, "pad_low": low, "pad_high": high, "groups": groups}
    case("conv2d", [draw(*x), draw(*w)],
         lambda a, b: F.conv2d(F.pad(a, (low[1], high[1], low[0], high[0])), b, stride=stride, dilation=dilation, groups=groups), attributes)


convolution((2, 3, 5, 6), (4, 3, 3, 3), low=(1, 1), high=(1, 1))
convolution((1, 4, 7, 6), (6, 2, 3, 2), stride=(2, 1), dilation=(1, 2), low=(1, 0), high=(2, 1), groups=2)
convolution((2, 3, 5, 5), (3, 1, 3, 3), stride=(2, 2), groups=3, low=(1, 1), high=(1, 1))
convolution((1, 2, 9, 9), (2, 2, 3, 3), stride=(3, 3), dilation=(2, 2), low=(2, 2), high=(2, 2))
convolution((2, 3, 4, 4), (5, 3, 1, 1))


def pooling(op, x, kernel, stride, low=(0, 0), high=(0, 0), counting=True):
    def function(a):
        if op == "max_pool2d":
            return F.max_pool2d(F.pad(a, (low[1], high[1], low[0], high[0]), value=-torch.inf), kernel, stride)
        padded = F.pad(a, (low[1], high[1], low[0], high[0]))
        if counting:
            return F.avg_pool2d(padded, kernel, stride)
        inside = F.pad(torch.ones_like(a), (low[1], high[1], low[0], high[0]))
        return F.avg_pool2d(padded, kernel, stride) / F.avg_pool2d(inside, kernel, stride)
    case(op, [x], function, {"kernel": kernel, "stride": stride, "pad_low": low, "pad_high": high, "count_padding": int(counting)})


pooling("max_pool2d", draw(2, 2, 4, 6), (2, 2), (2, 2))
pooling("max_pool2d", torch.randint(-1, 2, (1, 2, 7, 6)).double(), (3, 2), (2, 1), (1, 0), (1, 1))  # many equals: the first wins
for counting in (True, False):
    pooling("avg_pool2d", draw(1, 2, 7, 6), (3, 2), (2, 1), (1, 0), (1, 1), counting)
pooling("avg_pool2d", draw(2, 3, 4, 4), (4, 4), (1, 1))

# Composites.
case("softmax", [draw(3, 5)], lambda x: F.softmax(x, -1))
case("softmax", [torch.tensor([[-200.0, 0, 200, 100], [1, 1, 1, 1]])], lambda x: F.softmax(x, -1))
case("log_softmax", [draw(3, 5)], lambda x: F.log_softmax(x, -1))
targets = torch.softmax(draw(4, 5), -1)
targets = (targets * 64).round() / 64
case("softmax_cross_entropy", [draw(4, 5), targets], lambda x, t: -(t * F.log_softmax(x, -1)).sum(-1), differentiate=[0])
labels = F.one_hot(torch.tensor([1, 0, 4, 2]), 5).double()
case("softmax_cross_entropy", [draw(4, 5) * 32, labels], lambda x, t: F.cross_entropy(x, t, reduction="none"), differentiate=[0])
logits = torch.cat([draw(3, 4), torch.tensor([[-300.0, -30, 30, 300]])])
case("sigmoid_cross_entropy", [logits, draw(4, 4, low=0, high=1)], lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), differentiate=[0])


def batch_norm(x, scale, bias, epsilon):
    axes = [axis for axis in range(x.dim()) if axis != 1]
    variance = x.var(axes, unbiased=False)
    return F.batch_norm(x, None, None, scale, bias, training=True, eps=epsilon), x.mean(axes), variance


for shape in ((3, 2, 3, 4), (6, 3)):
    channels = shape[1]
    case("batch_norm_training", [draw(*shape), draw(channels, low=0.5), draw(channels)], lambda x, s, b: batch_norm(x, s, b, 1e-5), {"epsilon": 1e-5})
    case("batch_norm_inference", [draw(*shape), draw(channels, low=0.5), draw(channels), draw(channels), draw(channels, low=0.25)],
         lambda x, s, b, m, v: F.batch_norm(x, m, v, s, b, training=False, eps=1e-3), {"epsilon": 1e-3}, differentiate=[0, 1, 2])

# Conversions to 16 bits, as bits: ties, subnormals, overflow, and what rounds up into the next power of two.
numbers = torch.tensor([0, 1, -1, 1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8, 65504, 65519, 65520, -1e6, 2**-14, 2**-24, 2**-25, 3 * 2**-25, 1e-10,
                        2047.5, 0.1, 3.3895e38, 1e-40, -2**-133, 2**-134], dtype=torch.float64).float()
numbers = torch.cat([numbers, (torch.rand(40, dtype=torch.float32) - 0.5) * torch.exp2(torch.arange(40).float() - 26)])
conversions = {"numbers": numbers.double().tolist()}
for name, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
    conversions[name] = [bits & 0xFFFF for bits in numbers.to(dtype).view(torch.int16).tolist()]


# Pictures. Places are measured from the centre, in pixels; grid_sample wants them so that -1 and 1 are the outer sides of the outermost pixels.
def warp(x, maps, mode):
    count, _, height, width = x.shape
    v, u = torch.meshgrid(torch.arange(height).double() - (height - 1) / 2, torch.arange(width).double() - (width - 1) / 2, indexing="ij")
    points = torch.stack([u, v, torch.ones_like(u)], -1)
    mapped = torch.einsum("nik,hwk->nhwi", maps.view(count, 3, 3), points)
    grid = mapped[..., :2] / mapped[..., 2:] * torch.tensor([2 / width, 2 / height])
    return F.grid_sample(x, grid, mode="bilinear", padding_mode=mode, align_corners=False)


maps = torch.cat([torch.tensor([[1.0, 0, 0, 0, 1, 0, 0, 0, 1]]), torch.eye(3).view(1, 9) + draw(4, 9) / torch.tensor([4, 4, 1, 4, 4, 1, 64, 64, 16])])
for border, mode in enumerate(("zeros", "border", "reflection")):
    # The map's own gradient at the edge differs by convention (PyTorch cuts it off), so it is compared where nothing lies beyond.
    case("warp", [draw(5, 2, 4, 6), maps], lambda x, m: warp(x, m, mode), {"border": border}, differentiate=[0])
inner = torch.eye(3).view(1, 9) * torch.tensor([0.5, 1, 1, 1, 0.5, 1, 1, 1, 1]) + draw(3, 9) / torch.tensor([32, 32, 4, 32, 32, 4, 128, 128, 64])
case("warp", [draw(3, 2, 6, 8), inner], lambda x, m: warp(x, m, "border"), {"border": 1})
case("mix_channels", [draw(2, 3, 4, 5), draw(2, 3, 4)], lambda x, m: torch.einsum("nkc,nchw->nkhw", m[..., :3], x) + m[..., 3, None, None])


def blur(x, deviations, radius):
    k = torch.arange(-radius, radius + 1).double()
    weights = torch.exp(-k * k / (2 * deviations[:, None] ** 2))
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(x.shape[1], 0)
    planes = F.pad(x, (radius,) * 4, mode="replicate").reshape(1, -1, x.shape[2] + 2 * radius, x.shape[3] + 2 * radius)
    down = F.conv2d(planes, weights[:, None, :, None], groups=len(weights))
    return F.conv2d(down, weights[:, None, None, :], groups=len(weights)).view(x.shape)


case("gaussian_blur", [draw(3, 2, 5, 6), torch.tensor([0.5, 1.25, 3.0])], lambda x, d: blur(x, d, 4), {"radius": 4})


def line(value):
    return json.dumps(value, separators=(",", ":"))


print('{"torch":%s,\n"conversions":%s,\n"cases":[' % (line(torch.__version__), line(conversions)))
print(",\n".join(line(entry) for entry in cases) + "]}")
