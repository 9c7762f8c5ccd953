"""Evaluate room: every contender answers the same rows in one run, without prefect or mlflow."""
