"""What BackPACK's tests build of torchvision while they are collected.

PyPI's torchvision does not import beside a CPU build of PyTorch. The cases that are
made of this one are not run.
"""
