"""The append-only record: entries, hash chain, state, alias, held-out register, looks."""
