"""The check report as texts and as an HTML page."""
