"""MLflow, and the only room that imports it."""
