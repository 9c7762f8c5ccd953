"""What all rooms stand on: files, strict JSON, records, processes, metrics, alpha arithmetic."""
