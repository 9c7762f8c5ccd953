"""What a check found, as a page."""
