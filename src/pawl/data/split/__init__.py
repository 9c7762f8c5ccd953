"""Which rows are train, dev and gate; copies of held-out rows leave train."""
