# The GPU image: training and evaluation, without Prefect, MLflow or DVC.
#   docker build -f infra/train.Dockerfile -t pawl-train .
#   docker run --gpus all -v "$PWD":/workspace pawl-train train tickets
FROM python:3.12-slim
WORKDIR /opt/pawl
COPY pyproject.toml requirements.lock README.md LICENSE dvc.yaml ./
COPY flows flows
COPY src src
RUN pip install --no-cache-dir -c requirements.lock '.[train]' \
 && useradd --create-home pawl
USER pawl
WORKDIR /workspace
ENTRYPOINT ["python", "-m", "pawl.train"]
