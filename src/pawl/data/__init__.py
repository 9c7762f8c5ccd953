"""Rows are read strictly, checked and split; their versions."""
