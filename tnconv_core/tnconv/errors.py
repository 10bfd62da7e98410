"""The errors a user can meet; each is also the built-in error its kind suggests."""


class TnconvError(Exception):
    """Base class of every error tnconv raises on purpose."""


class ArgumentError(TnconvError, ValueError):
    """An operation was called with shapes or hyper-parameters that do not fit."""


class ArrayError(TnconvError, TypeError):
    """An array is of a kind, dtype, library or device that does not fit."""


class NetworkError(TnconvError, ValueError):
    """A network is not well formed, or an edit does not apply to it."""


class NotationError(TnconvError, ValueError):
    """Notation text that cannot be read; the message shows the place."""


class MemoryLimitError(TnconvError, MemoryError):
    """No plan stays within the memory limit in force."""


class MissingDependencyError(TnconvError, ImportError):
    """An optional dependency is not installed; the message says what to install."""


class StoreError(TnconvError, OSError):
    """A store of plans that cannot be read or written; the message says why."""


class WorkerError(TnconvError, RuntimeError):
    """Workers of an executor died of a block again and again, or none is left."""
