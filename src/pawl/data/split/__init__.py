"""Splits rows into train, dev and gate; removes copies of held-out rows from train."""
