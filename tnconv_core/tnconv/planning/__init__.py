"""Choosing how a network is contracted: forms, their cost, and the search."""
