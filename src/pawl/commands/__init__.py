"""One file a command of `pawl`, named like it."""
