"""`params.yaml`: its schema, how it is read, and the rules that no single key shows."""
