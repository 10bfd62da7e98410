"""The store: plans that outlive a process, in files that are never trusted."""
