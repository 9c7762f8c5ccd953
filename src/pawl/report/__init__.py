"""Report room: records to what a person reads."""
