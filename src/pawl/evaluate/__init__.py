"""Every contender answers the same rows in one run; without prefect, mlflow or dvc."""
