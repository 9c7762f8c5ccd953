"""Gate room: pure judgement over records. No torch, no mlflow, no clock, no network."""
