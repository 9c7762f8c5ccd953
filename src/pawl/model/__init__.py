"""The base model and adapters on it: finding, verifying, loading, prompts to tokens."""
