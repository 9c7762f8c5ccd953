"""The verdict page: what one cycle found, as one HTML file."""
