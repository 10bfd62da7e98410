"""Dask's chunked arrays: every chunk is contracted where it is, and nothing before it
is asked for."""

from tnconv_backends.dask.backend import DaskBackend

__all__ = ["DaskBackend"]
