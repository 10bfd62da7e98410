"""One plan and the same inputs give the same bits, in every process."""

import os
import subprocess
import sys

BITS = """
import hashlib, numpy as np, tnconv
rng = np.random.default_rng(0)
x, w = rng.standard_normal((3, 8, 17, 16)), rng.standard_normal((12, 4, 3, 3))
hyper = dict(stride=2, padding=(1, 2), groups=2, padding_mode="reflect")
y = rng.standard_normal(tnconv.conv(x, w, **hyper).shape)
def results():
    yield tnconv.conv(x, w, **hyper)
    yield tnconv.conv_input_vjp(w, y, x.shape[2:], **hyper)
    yield tnconv.conv_weight_vjp(x, y, (3, 3), per_example=True, **hyper)
    yield tnconv.unfold(x, (3, 3), padding=1)
    yield tnconv.contract("n c i j, i ~ o + k, d c k, d e -> n e o", x[:, :4],
                          w[..., 0], w[:, :, 0, 0])
def bits():
    return [hashlib.sha256(np.ascontiguousarray(r).tobytes()).hexdigest()
            for r in results()]
first = bits()
assert bits() == first
tnconv.clear_caches()
assert bits() == first
print(*first)
"""


def test_the_same_bits_again_and_in_another_process() -> None:
    path = os.pathsep.join(filter(None, sys.path))
    outputs = []
    for seed in ("1", "2"):  # sets are ordered differently
        done = subprocess.run(
            [sys.executable, "-c", BITS],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
        )
        assert not done.returncode, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split())) == 5
