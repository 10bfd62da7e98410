"""From a plan to a result: programs, backends, expressions and their caches."""
