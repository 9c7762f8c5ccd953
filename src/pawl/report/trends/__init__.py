"""Trends across cycles: what `pawl report` prints, and its page."""
