"""Measurements that a reader can repeat; every claim in the docs names its command."""
