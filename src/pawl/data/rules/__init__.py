"""The rules that decide whether data may be trained on, and their measures."""
