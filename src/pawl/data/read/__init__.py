"""Reads data files into examples, strictly."""
