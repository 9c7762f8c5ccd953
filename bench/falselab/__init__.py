"""Lives of gate splits, played through the project's own gate: `bench/false_promotions.py`."""
