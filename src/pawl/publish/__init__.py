"""Brings champions to the servers that callers ask, proves them there, and says what is served."""
