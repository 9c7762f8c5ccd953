"""Ground that every room stands on: files, strict JSON, processes, records, pure arithmetic."""
