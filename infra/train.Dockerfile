# The GPU image: training and evaluation, without Prefect, MLflow or DVC.
#   docker build -f infra/train.Dockerfile -t pawl-train .
#   docker run --gpus all -v "$PWD":/workspace pawl-train train tickets
FROM python:3.12-slim
WORKDIR /opt/pawl
COPY pyproject.toml README.md LICENSE dvc.yaml ./
COPY infra/*.lock infra/
COPY flows flows
COPY src src
RUN pip install --no-cache-dir --no-deps --require-hashes \
      -r infra/build.lock -r infra/torch.lock -r infra/train.lock \
 && pip install --no-cache-dir --no-deps --no-build-isolation . \
 && useradd --create-home pawl
USER pawl
WORKDIR /workspace
ENTRYPOINT ["python", "-m", "pawl.train"]
