"""The base model and adapters on it: find, verify, load, and turn prompts into tokens."""
