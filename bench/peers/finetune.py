#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's side of bench/finetune-experiment: trains what a finished run of `assay train` trained, by the recipe in the run's config.ini and on the folds of its split.csv.

    finetune.py RUN THREADS

Images are read and resized by Pillow (filter = bilinear is its filter); networks are torchvision's, with the weights' own stride and padding. Each fold is judged at the epoch
with the lowest validation loss, as ours are. What frozen layers make of the images is computed once. What this program does not know of a recipe it refuses. Prints one JSON object:
by repeat and fold how many images were validated on, how many were right, and the loss.
"""
import configparser, csv, json, math, os, struct, sys, time
import numpy, torch, torchvision
from PIL import Image
from torch import nn
from torch.nn import functional as F

DTYPES = {"F16": numpy.float16, "F32": numpy.float32, "I64": numpy.int64}


def read_recipe(run):
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=(";",), inline_comment_prefixes=(" ;",))
    parser.read(os.path.join(run, "config.ini"))
    recipe = {section: {key: value.strip('"') for key, value in parser[section].items()} for section in parser.sections()}
    data, train, optimizer = recipe["data"], recipe["train"], recipe["optimizer"]
    assert data["fit"] == "stretch" and data["filter"] == "bilinear" and data["colour"] == "rgb" and data["normalise"] == "values"
    assert optimizer["type"] == "adam" and optimizer["clip"] == "none" and float(optimizer["weight_decay"]) == 0 and recipe["stages"]["size"] == ""
    assert train["schedule"] in ("cosine", "constant") and float(train["warmup_epochs"]) == 0 and train["class_weights"] == "none" and train["loss"] == "auto"
    assert float(train["ema"]) == 0 and float(train["oversample"]) == 0 and train["patience"] == "0" and recipe["network"]["layers"] == "features, classifier"
    assert all(float(v) == 0 for k, v in recipe["augment"].items() if k not in ("border", "flip_horizontal", "flip_vertical"))
    return recipe


def read_tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        body = file.read()
    header.pop("__metadata__", None)
    return {name: torch.from_numpy(numpy.frombuffer(body[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]]).reshape(entry["shape"]).copy()).float()
            for name, entry in header.items()}


def read_images(recipe, run):
    root, (width, height) = recipe["data"]["path"], map(int, recipe["data"]["size"].split("x"))
    rows = [row for row in csv.DictReader(open(os.path.join(run, "split.csv"))) if row["part"] == "train" and not row["problem"]]
    classes = sorted({row["label"] for row in rows})
    pixels = [numpy.asarray(Image.open(os.path.join(root, row["path"])).convert("RGB").resize((width, height), Image.BILINEAR)) for row in rows]
    x = torch.from_numpy(numpy.stack(pixels)).permute(0, 3, 1, 2).float()
    mean, deviation = (torch.tensor([float(n) for n in recipe["data"][key].split(",")]).view(1, -1, 1, 1) for key in ("mean", "deviation"))
    return (x - mean) / deviation, torch.tensor([classes.index(row["label"]) for row in rows]), [torch.tensor([int(row[name]) for row in rows]) for name in rows[0] if name.split("_")[0] == "fold"], len(classes)


class SamePadding(nn.Module):
    """TensorFlow's: what is odd goes below and right."""

    def forward(self, x):
        pads = [max((math.ceil(extent / 2) - 1) * 2 + 3 - extent, 0) for extent in (x.shape[3], x.shape[2])]
        return F.pad(x, (pads[0] // 2, pads[0] - pads[0] // 2, pads[1] // 2, pads[1] - pads[1] // 2))


def make_stages(features):
    """The feature extractor as a list of (name, module); the last one gives a row an image."""
    end = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if features["type"] == "mobilenet_v2":
        net = torchvision.models.mobilenet_v2(width_mult=float(features["width"]))
        if features["padding"] == "same":
            for module in list(net.modules()):
                for name, child in list(module.named_children()):
                    if isinstance(child, nn.Conv2d) and child.stride == (2, 2) and child.kernel_size == (3, 3):
                        child.padding = (0, 0)
                        setattr(module, name, Strided(child))
        end.append(nn.Dropout(float(features["dropout"])))
        return [(f"features.{i}", block) for i, block in enumerate(net.features)] + [("pool", end)], net.last_channel
    assert features["type"] == "resnet50"
    net = torchvision.models.resnet50()
    if features["variant"] == "v1":
        for layer in (net.layer2, net.layer3, net.layer4):
            layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    stem = nn.ModuleDict({"conv1": net.conv1, "bn1": net.bn1})
    stem.forward = lambda x: net.maxpool(F.relu(stem["bn1"](stem["conv1"](x))))
    return [("", stem)] + [(f"layer{i}", getattr(net, f"layer{i}")) for i in (1, 2, 3, 4)] + [("pool", end)], 2048


class Strided(nn.Module):
    """A convolution with stride 2 behind SamePadding, under the convolution's own names."""

    def __init__(self, convolution):
        super().__init__()
        self.weight, self.convolution = convolution.weight, [convolution]

    def forward(self, x):
        return F.conv2d(SamePadding()(x), self.weight, None, 2, 0, 1, self.convolution[0].groups)


def load(stages, tensors, epsilon):
    for name, stage in stages:
        for module in stage.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = epsilon
        own = {key: tensors[f"{name}.{key}" if name else key] for key in stage.state_dict() if not key.endswith("num_batches_tracked")}
        stage.load_state_dict(own, strict=False)


def count_frozen(freeze, stages):
    """How many stages stand before the end of what `freeze` names."""
    if freeze in ("none", ""):
        return 0
    if freeze == "features":
        return len(stages)
    return [name for name, _ in stages].index(freeze.removeprefix("features.")) + 1


class Trainer:
    def __init__(self, recipe, x, y, classes, tensors):
        train = recipe["train"]
        self.recipe, self.train, self.x, self.y, self.classes, self.tensors = recipe, train, x, y, classes, tensors
        self.epochs, self.batch, self.rate = int(train["epochs"]), int(train["batch"]), float(recipe["optimizer"]["learning_rate"])
        self.groups = [name.strip().removeprefix("features.") for name in train["rate_groups"].split(",") if name.strip()]
        self.factors = [float(eval(factor, {"lr": 1.0})) for factor in train["rates"].split(",")]
        self.flips = [float(recipe["augment"][f"flip_{way}"]) for way in ("horizontal", "vertical")]
        self.kept = None  # what the frozen stages make of all images

    def begin(self, seed):
        torch.manual_seed(seed)
        self.stages, width = make_stages(self.recipe["layer.features"])
        load(self.stages, self.tensors, float(self.recipe["layer.features"]["epsilon"]))
        self.head = nn.Linear(width, 1 if self.classes == 2 else self.classes)
        self.enter(count_frozen(self.train["freeze"], self.stages))
        if self.frozen > 0 and not any(self.flips) and self.kept is None:
            self.mode(False)
            with torch.no_grad():
                self.kept = torch.cat([self.through(part, 0, self.frozen) for part in self.x.split(32)])

    def enter(self, frozen):
        """Everything behind the first `frozen` stages is trained, with a fresh optimizer."""
        self.frozen, group, members = frozen, 0, [[] for _ in self.factors]
        for number, (name, stage) in enumerate(self.stages + [("classifier", self.head)]):
            group = self.groups.index(name) + 1 if name in self.groups else group
            for parameter in stage.parameters():
                parameter.requires_grad_(number >= frozen)
            if number >= frozen:
                members[group] += list(stage.parameters())
        self.optimizer = torch.optim.Adam([{"params": own, "lr": self.rate * factor, "base": self.rate * factor} for own, factor in zip(members, self.factors) if own])

    def mode(self, training):
        for number, (_, stage) in enumerate(self.stages):
            stage.train(training and number >= self.frozen)
            for module in stage.modules():
                if isinstance(module, nn.BatchNorm2d) and self.train["keep_statistics"] == "all":
                    module.eval()

    def through(self, x, first, end):
        for _, stage in self.stages[first:end]:
            x = stage(x)
        return x

    def logits(self, rows, training):
        on_kept = self.kept is not None and self.frozen > 0
        x = self.kept[rows] if on_kept else self.x[rows]
        for way, chance in enumerate(self.flips if training and any(self.flips) else []):
            turned = torch.rand(len(x)) < chance
            x = torch.where(turned.view(-1, 1, 1, 1), x.flip(3 - way), x)
        return self.head(self.through(x, self.frozen if on_kept else 0, len(self.stages)))

    def losses(self, logits, rows):
        if self.classes == 2:
            return F.binary_cross_entropy_with_logits(logits[:, 0], self.y[rows].float(), reduction="none")
        return F.cross_entropy(logits, self.y[rows], reduction="none")

    def judge(self, rows):
        self.mode(False)
        with torch.no_grad():
            logits = torch.cat([self.logits(part, False) for part in rows.split(64)])
        guesses = (logits[:, 0] >= 0).long() if self.classes == 2 else logits.argmax(1)
        return self.losses(logits, rows).mean().item(), int((guesses == self.y[rows]).sum())

    def factor(self, step, steps):
        return 1 if self.train["schedule"] == "constant" else 0.5 * (1 + math.cos(math.pi * step / (self.epochs * steps)))

    def fold(self, training, validation, seed):
        self.begin(seed)
        best, steps = (math.inf, 0, 0), math.ceil(len(training) / self.batch)
        for epoch in range(self.epochs):
            if epoch > 0 and epoch == int(self.train["unfreeze_after"]) and self.frozen > 0:
                self.enter(0)
            self.mode(True)
            for number, rows in enumerate(training[torch.randperm(len(training))].split(self.batch)):
                for group in self.optimizer.param_groups:
                    group["lr"] = group["base"] * self.factor(epoch * steps + number, steps)
                self.optimizer.zero_grad()
                self.losses(self.logits(rows, True), rows).mean().backward()
                self.optimizer.step()
            loss, right = self.judge(validation)
            if loss < best[0]:
                best = (loss, right, epoch)
        return {"images": len(validation), "right": best[1], "loss": best[0], "epoch": best[2]}


def main():
    run = sys.argv[1]
    torch.set_num_threads(int(sys.argv[2]))
    recipe = read_recipe(run)
    x, y, draws, classes = read_images(recipe, run)
    trainer = Trainer(recipe, x, y, classes, read_tensors(recipe["network"]["weights"]))
    began, repeats = time.process_time(), []
    for repeat, folds in enumerate(draws):
        seed = int(recipe["train"]["seed"]) + repeat
        repeats.append([trainer.fold((folds != f).nonzero()[:, 0], (folds == f).nonzero()[:, 0], 1000 * seed + f) for f in range(int(recipe["data"]["folds"]))])
    print(json.dumps({"repeats": repeats, "processor_seconds": time.process_time() - began}))


main()
