"""Data files to examples, strictly."""
