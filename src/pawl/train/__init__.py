"""A QLoRA adapter from the train split; without prefect, mlflow or dvc."""
