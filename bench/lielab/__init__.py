"""A workspace that is lied to, the lies, and who tells them."""
