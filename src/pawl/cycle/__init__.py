"""What one cycle leaves: the steps for the flow, snapshots, outbox, registration."""
