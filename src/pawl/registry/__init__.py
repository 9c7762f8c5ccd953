"""What touches the world: cycles, candidates and releases on record, in MLflow."""
