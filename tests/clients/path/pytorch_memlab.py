"""What BackPACK's tests import of a package that they do not use on a CPU."""


class MemReporter:
    """Never made."""
