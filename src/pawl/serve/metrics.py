"""What Prometheus is told. No label is of a caller's making, so that none can fill the memory."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pawl.serve.engine import Engine
from pawl.serve.versions import Versions

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counts of requests and tokens, and what the engine and the versions are at."""

    def __init__(self, engine: Engine, versions: Versions) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pawl_requests", "Requests, by the version that answered and the status.",
            ("task", "version", "status"), registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "pawl_request_seconds", "Seconds from a request to the end of its answer.", ("task",),
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._tokens = Counter(
            "pawl_tokens",
            "Tokens of prompts and of answers.",
            ("task", "version", "kind"),
            registry=self._registry,
        )
        self._registry.register(_Now(engine, versions))

    def answered(
        self, *, task: str, version: str, status: int, seconds: float, prompt: int, answer: int
    ) -> None:
        """Count a request that has ended; of one that came to no version, `task` is ''."""
        self._requests.labels(task, version, str(status)).inc()
        if task:
            self._seconds.labels(task).observe(seconds)
            self._tokens.labels(task, version, "prompt").inc(prompt)
            self._tokens.labels(task, version, "answer").inc(answer)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Now(Collector):
    """What is asked at the moment that Prometheus looks."""

    def __init__(self, engine: Engine, versions: Versions) -> None:
        self._engine, self._versions = engine, versions

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield _gauge("pawl_engine_up", "1, or 0 where it is broken.", self._engine.broken is None)
        yield _gauge("pawl_rows_waiting", "Prompts that wait.", self._engine.waiting)
        yield _gauge("pawl_rows_running", "Prompts that are being answered.", self._engine.running)
        serving = GaugeMetricFamily(
            "pawl_serving_version", "The version that a task's name means.", labels=["task"]
        )
        problem = GaugeMetricFamily(
            "pawl_task_problem", "1 where what is served is not what the ledger says.",
            labels=["task"],
        )  # fmt: skip
        for task, served in self._versions.tasks.items():
            problem.add_metric([task], float(served.problem is not None))
            if served.current and served.current.champion.version is not None:
                serving.add_metric([task], float(served.current.champion.version))
        yield serving
        yield problem


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))
