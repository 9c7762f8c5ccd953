"""Judges of every kind, and looks in which they compare what people partly label."""
