"""PyTorch: strided views, its own convolutions, autograd, forward mode and vmap."""

from tnconv_backends.torch.backend import TorchBackend

__all__ = ["TorchBackend"]
