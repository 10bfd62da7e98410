"""A backend whose library is not installed."""

raise ImportError("no module of the library of crates")
