"""Second-order and private-training libraries running on tnconv.

Each module has one ``install()``. It puts tnconv's functions in the place of the
library's own convolution code and returns an :class:`contextlib.ExitStack` that takes
them out again: ``with install(): ...``, or ``install()`` once at the top of a program.
No library is a dependency; each is imported when it is installed into.
"""
