"""What docs/dropout.md says beside the figures."""

FIRST = """\
# Tensor dropout

A gradient is a sum over examples, channels and positions. Tensor dropout keeps a random
part of a label and scales the result, so that the mean over draws is the exact
gradient; what is dropped is neither read nor multiplied. This page is written by
`python -m benchmarks dropout page`.

```python
>>> import numpy as np
>>> import tnconv
>>> x, v = np.ones((8, 4, 10, 10)), np.ones((8, 6, 10, 10))
>>> exact = tnconv.conv_weight_vjp(x, v, 3, padding=1)
>>> half = tnconv.conv_weight_vjp(x, v, 3, padding=1, keep={"n": 0.5}, seed=0)
>>> np.array_equal(exact, half)     # all examples are alike here
True

```

## What can be kept

`keep` maps labels to shares in (0, 1], and `seed` is an int. A seed draws the same on
every library and machine, each label by itself; give another one to every call. Labels
are those of the printed network:

| label | what it is | read by |
|---|---|---|
| `n` | examples | weight and input VJP |
| `g` | groups | weight and input VJP |
| `c`, `d` | channels of a group, read and written | weight and input VJP |
| `i0`, `i1`, .. | positions of the convolution's input | weight VJP |
| `o0`, `o1`, .. | positions of its output | weight and input VJP |
| `k0`, `k1`, .. | positions of the kernel | input VJP |

A transposed convolution has the labels of the convolution that it is the transpose of:
`d` and `o0`.. belong to its `x`. A label that is on no array that is read is an error.
So is `i0` where a padding mode copies from it: keep a share of `o0` there. A label may
stand in the result (channels of a weight gradient, examples of an input gradient): then
what is dropped is zero, and what is kept is scaled, which is unbiased too.

## How shares are drawn

A share of 1/s is one of s parts, each as likely. Along a pattern (positions) the parts
are residue classes, every s-th position from a random one on: neighbors say much the
same, so that what is left says most. Elsewhere (examples, channels, groups) they are
blocks, which are views without gaps; a batch is shuffled as it is, so a block of it is
as good as any subset. A share between 1/s and 1/(s+1) draws one of the two numbers
first, such that the mean is right. At least one value is kept.

The other choices, and why not: a Bernoulli draw for each value has a new number of
values in each call, and a draw of a fixed number of values has new gaps. Either would
be a gather of rows, a copy, and a new plan or an index array in each call. Parts are
slices of a label, so networks stay patterns and views (a residue class of outputs is a
convolution of s times the stride), and there are s of them for each label, planned
once.

The draw has a price: within a part, values come together or not at all. With a label
whose values are far from alike from part to part (a batch that is sorted by class) the
variance is larger than that of independent draws; it is unbiased still.

`tnconv.dropout` has the parts as an edit of any network: `drawn` draws, `kept`
restricts.

## In PyTorch

`SampledConv1d` to `SampledConv3d`, and `SampledConvTranspose1d` to `3d` (whose input
has the labels `d` and `o0`, `o1` ..), stand in for PyTorch's layers. The forward pass
is exact. It draws what the weight's gradient will read, and autograd keeps a copy of
that part of the input and no more; `input_keep` samples the input's gradient as well.
Sampled gradients may be differentiated again. In eval mode all is exact. Seeds come
from PyTorch's generator, or one of your own.

```python
>>> import torch
>>> from tnconv_backends.torch.modules import SampledConv2d
>>> layer = SampledConv2d(16, 32, 3, padding=1, keep={"i0": 0.5, "i1": 0.5})
>>> layer(torch.ones(4, 16, 8, 8)).sum().backward()   # a quarter of the input was kept
>>> layer.weight.grad.shape
torch.Size([32, 16, 3, 3])

```

`n`, `c`, `g` and `i0`.. make what is kept smaller; `o0`.. and `d` make the backward
pass faster only, as kernels overlap. And memory is saved only where nobody else keeps
the input: `torch.relu` keeps its result, which *is* the next layer's input. An
activation that keeps a mask (as in the measurement below) does not. A second derivative
through these layers is an error.
"""

TRAINED = """\
## Trained with it

scikit-learn's digits (1797 pictures of 8x8; {test} of them test), three convolutions of
32, 64 and 64 channels and a linear layer, ReLUs that keep a mask, Adam ({rate}), batch
{batch}, {epochs} epochs, {seeds} seeds. The weight gradients of the second and third
convolution, 32 to 64 and 64 to 64 channels, are sampled; everything else is exact.
"Spatial" keeps rows, and at a quarter rows and columns; "channel" keeps input channels,
"batch" examples. Accuracy is mean and standard deviation over seeds; time is the median
backward pass of all layers together; memory is what autograd keeps in a training step,
parameters aside.

{table}
![accuracy against memory and time](dropout.png)

The error is that of the sampled gradient before training (root mean square, relative to
the gradient's norm, {draws} draws): with the linear layer on the whole map, as trained,
and with one on the mean over the map, as in fully convolutional networks.

{said}
"""

LAYERS = """\
## Half of a label on real layers

The weight VJP on PyTorch, batch {batch}, float32, {threads} threads: all layers in
`benchmarks/data` whose exact gradient takes {least:g} ms or more, {count} of {all}. The
time with half of a label (`keep={{label: 0.5}}`, the draw included, both halves in
turn) over the exact gradient's:

{table}
"Best" is the fastest of these for each layer. {said}

The labels are `n` (examples), `c` and `d` (input and output channels of a group), `g`
(groups), `i0` and `o0` (the first axis of input and output positions). Each layer,
exact in ms, then ratios:

{each}"""
