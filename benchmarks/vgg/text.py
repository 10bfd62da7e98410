"""What docs/vgg.md says beside the figures."""

PAGE = """\
# A small VGG, made smaller

Does [compression](compress.md) keep accuracy, and what brings it back? A network that
is trained, compressed and trained on within minutes, on real pictures, with what it
must be held against: `python -m benchmarks vgg train`, which goes on where it was
stopped, a seed at a time. This page is written by `python -m benchmarks vgg page`.

scikit-learn's digits: 1797 pictures of 8x8. Five 3x3 convolutions of 32, 32, 64, 64
and 128 channels with ReLUs, pooled after the second and the fourth, a linear layer of
128 features and one of 10: {params} parameters, {macs} million multiply-adds. Adam at
{rate:g}, batches of {batch}, {epochs} epochs. {seeds} seeds, each tested on another
fifth of the pictures (some {test}). Figures are means over seeds ± their standard
deviation; a count out of {test} is uncertain by ±0.7 points in itself.

Every network is trained on by the same {more} epochs at the same rate, with no other
settings. The dense network is at {dense}.

## Under a budget of multiply-adds

{budgets}
* Tucker-2 is `compress(model, budget=Fraction(1 / 4, of="macs"), formats="tucker2",
  slower=True)`, CP the same with `formats="cp"`;
* "chosen" leaves the format of each layer to `compress`, and "on data" gives it
  `data=`, four batches of 128 training pictures;
* "refit" calls `refit(small, dense, batches)` afterwards: least squares, no gradients;
* "random factors" are the layers of "chosen, on data", drawn anew and trained from
  there, and "thinner" is a dense network with fewer channels and no more multiply-adds:
  both for all {all} epochs.

"Loss" is the cross entropy on the test set at the end. "Before" is before any training
at all for the last two, and "{all} epochs" are what the others had in sum.

{said}

## Ranks by the noise in the weights

{noise}
{noise_said}
"""

TIMED = """
## How long they take

Milliseconds of a batch of {batch}, on {threads} threads of {cpu}, PyTorch, float32:
forward, and a step of training (forward and the gradients of all parameters). "Chain"
is `lowered(small)`, the same factors as PyTorch's own layers, one for each factor.
Medians of alternating calls, `python -m benchmarks vgg time`.

{table}
{said}
"""
