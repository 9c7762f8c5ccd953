"""What one cycle leaves: snapshots, the outbox, registration, release of what was judged."""
