# SPDX-License-Identifier: MIT
# Prints schedule_vectors.h: what PyTorch's schedulers make of a learning rate of 1, at every step.
#   python3 schedule_vectors.py > schedule_vectors.h
import torch
from torch.optim import lr_scheduler as s

STEPS = 4  # an epoch

def run(make, count, momentum=None):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.95)
    scheduler = make(optimizer)
    rates, momenta = [], []
    for step in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        scheduler(step) if callable(scheduler) else scheduler.step()
    return rates, momenta

def restarts(optimizer):
    inner = s.CosineAnnealingWarmRestarts(optimizer, T_0=1, T_mult=2, eta_min=0.05)
    return lambda step: inner.step((step + 1) / STEPS)

def warm(after):
    return lambda o: s.SequentialLR(o, [s.LinearLR(o, start_factor=0.1, end_factor=1, total_iters=2 * STEPS), after(o)], milestones=[2 * STEPS])

E = 8
cases = [
    ("STEP", ".step_epochs = 3, .step_factor = 0.1", lambda o: s.StepLR(o, 3 * STEPS, 0.1)),
    ("COSINE", ".cosine_end = 0.01", lambda o: s.CosineAnnealingLR(o, E * STEPS, 0.01)),
    ("LINEAR", ".linear_end = 0.2", lambda o: s.LinearLR(o, 1, 0.2, E * STEPS)),
    ("RESTARTS", ".cycle_epochs = 1, .cycle_factor = 2, .cycle_end = 0.05", restarts),
    ("ONE_CYCLE", ".one_cycle_rise = 0.3, .one_cycle_start = 0.04, .one_cycle_end = 0.000004, .one_cycle_momentum = 0.85",
     lambda o: s.OneCycleLR(o, max_lr=1.0, total_steps=E * STEPS, pct_start=0.3, div_factor=25, final_div_factor=1e4)),
    ("CONSTANT", ".warmup_epochs = 2, .warmup_start = 0.1", lambda o: s.LinearLR(o, 0.1, 1, 2 * STEPS)),
    ("COSINE", ".warmup_epochs = 2, .warmup_start = 0.1", warm(lambda o: s.CosineAnnealingLR(o, (E - 2) * STEPS, 0))),
    ("STEP", ".warmup_epochs = 2, .warmup_start = 0.1, .step_epochs = 2, .step_factor = 0.5", warm(lambda o: s.StepLR(o, 2 * STEPS, 0.5))),
]

def numbers(values):
    return ", ".join("%.12g" % v for v in values)

print("/* SPDX-License-Identifier: MIT */")
print("/* Made by schedule_vectors.py with PyTorch %s. */" % torch.__version__.split("+")[0])
print("enum { VECTOR_EPOCHS = %d, VECTOR_STEPS = %d, VECTOR_COUNT = %d };" % (E, STEPS, E * STEPS))
print("static const struct schedule_vector {\n  struct assay_train_settings settings;\n  double rates[VECTOR_COUNT], momenta[VECTOR_COUNT];\n} schedule_vectors[] = {")
for name, fields, make in cases:
    rates, momenta = run(make, E * STEPS)
    print("    {{.schedule = ASSAY_SCHEDULE_%s, %s},\n     {%s},\n     {%s}}," % (name, fields, numbers(rates), numbers(momenta)))
print("};")
