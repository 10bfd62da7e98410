"""How factors are fitted to a weight; with the backends, the place where arrays are."""
