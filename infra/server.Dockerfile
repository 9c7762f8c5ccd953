# Prefect's and MLflow's servers, each behind Pawl's door (docs/adr/0024).
#   docker compose -f infra/compose.yaml build
FROM python:3.12-slim
WORKDIR /opt/pawl
COPY pyproject.toml requirements.lock README.md LICENSE dvc.yaml ./
COPY flows flows
COPY src src
RUN pip install --no-cache-dir -c requirements.lock . mlflow prefect fastapi psycopg2-binary
WORKDIR /srv
