# Prefect's and MLflow's servers, each behind Pawl's door (docs/adr/0024).
#   docker compose -f infra/compose.yaml build
FROM python:3.12-slim
WORKDIR /opt/pawl
COPY pyproject.toml README.md LICENSE dvc.yaml ./
COPY infra/*.lock infra/
COPY flows flows
COPY src src
RUN pip install --no-cache-dir --no-deps --require-hashes -r infra/build.lock -r infra/servers.lock \
 && pip install --no-cache-dir --no-deps --no-build-isolation .
WORKDIR /srv
