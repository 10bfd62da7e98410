"""PyTorch: strided views, its own convolutions, autograd, forward mode and vmap."""

from tnconv_backends.torch.backend import TorchBackend
from tnconv_backends.torch.curvature import kfac

__all__ = ["TorchBackend", "kfac"]
