"""A contender's rows as an MLflow evaluation run: what *Evaluation runs* lists and compares.

A row is a trace: what the model was asked, its answer, the reference, an assessment a metric.
MLflow pairs the traces of two runs by what was asked, so that two contenders stand side by side.
Each trace is a transaction of its own in MLflow (10 to 40 ms), so that there is a time after which
rows are left out. These runs are for people: nothing is read back from them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pawl.core.files import digest_text
from pawl.core.records import Message
from pawl.store.client import Store, store_errors

if TYPE_CHECKING:
    from mlflow.entities import Assessment, Span
    from mlflow.entities.trace_info import TraceInfo

# How many traces' contents are sent at once; MLflow deletes at most as many at once.
BATCH = 100
# What MLflow's tables show of a text before it is opened.
PREVIEW = 1000


@dataclass(frozen=True)
class Answer:
    """One contender's answer to one row, for the run `run`; `values` maps metric to value.

    `flip` is 'won' or 'lost' where candidate and champion differ on the row; such rows are
    written whatever the time.
    """

    run: str
    contender: str
    row: str
    messages: tuple[Message, ...]
    reference: str
    output: str
    values: dict[str, float | bool]
    flip: str | None = None

    @property
    def trace(self) -> str:
        """The id of its trace: the same for a second attempt."""
        return f"tr-{digest_text(f'{self.run} {self.row}')[:32]}"


def log_answers(
    store: Store, experiment: str, rows: Sequence[Sequence[Answer]], *, seconds: float, most: float
) -> Counter[str]:
    """Write the answers, those of a row together, the first rows on top of MLflow's tables.

    After `seconds` only rows with a flip are written, after `most` seconds none; returns how many
    rows were written for each run.
    """
    tracking = _tracking(store)
    start, begun = time.monotonic(), time.time_ns() // 1_000_000
    written: Counter[str] = Counter()
    spans: list[Span] = []
    with store_errors(store.uri):
        for number, row in enumerate(rows):
            flip = any(answer.flip for answer in row)
            if time.monotonic() - start > (most if flip else seconds):
                continue
            for answer in row:
                # MLflow shows the newest first.
                info, span = _trace(answer, experiment, begun - number)
                tracking.start_trace(info)
                spans.append(span)
                written[answer.run] += 1
            if len(spans) >= BATCH:
                tracking.log_spans(experiment, spans)
                spans = []
        tracking.log_spans(experiment, spans)
    return written


def delete_answers(store: Store, experiment: str, answers: Sequence[Answer]) -> None:
    """Delete what an attempt that was cut off has written of these answers."""
    names = [answer.trace for answer in answers]
    with store_errors(store.uri):
        for start in range(0, len(names), BATCH):
            store.client.delete_traces(experiment, trace_ids=names[start : start + BATCH])


def _tracking(store: Store) -> Any:
    """What writes whole traces at once; MLflow's client itself exports them in threads."""
    return store.client._tracking_client.store


def _trace(answer: Answer, experiment: str, at: int) -> tuple[TraceInfo, Span]:
    """The trace of an answer, and its only span; `at` in ms since 1970."""
    from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    trace, asked = answer.trace, _asked(answer.messages)
    number = int(trace.removeprefix("tr-"), 16)
    attributes = {
        "mlflow.traceRequestId": trace,
        "mlflow.spanType": "CHAT_MODEL" if "messages" in asked else "LLM",
        "mlflow.spanInputs": asked,
        "mlflow.spanOutputs": answer.output,
    }
    span = ReadableSpan(
        name=answer.contender,
        context=SpanContext(number, number >> 64 or 1, is_remote=False, trace_flags=TraceFlags(1)),
        resource=Resource.get_empty(),
        attributes={
            key: json.dumps(value, ensure_ascii=False) for key, value in attributes.items()
        },
        start_time=at * 1_000_000,
        end_time=at * 1_000_000,
        status=Status(StatusCode.OK),
    )
    info = TraceInfo(
        trace_id=trace,
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=at,
        state=TraceState.OK,
        request_preview=_text(asked)[:PREVIEW],
        response_preview=answer.output[:PREVIEW],
        client_request_id=answer.row,
        execution_duration=0,
        trace_metadata={"mlflow.sourceRun": answer.run, "mlflow.trace_schema.version": "3"},
        tags={"mlflow.traceName": answer.contender},
        assessments=_assessments(answer),
    )
    return info, Span(span)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _asked(messages: Sequence[Message]) -> dict[str, Any]:
    """What the model was asked: one prompt, or the turns of a chat."""
    if len(messages) == 1:
        return {"prompt": messages[0].content}
    return {"messages": [{"role": one.role, "content": one.content} for one in messages]}


def _assessments(answer: Answer) -> list[Assessment]:
    from mlflow.entities import AssessmentSource, Expectation, Feedback

    code, run = AssessmentSource("CODE", "pawl"), {"mlflow.assessment.sourceRunId": answer.run}
    common: dict[str, Any] = {"source": code, "trace_id": answer.trace}
    values: dict[str, Any] = dict(answer.values)
    if answer.flip:
        values["against champion"] = answer.flip
    return [
        Expectation(name="reference", value=answer.reference, **common),
        *(Feedback(name=name, value=v, metadata=run, **common) for name, v in values.items()),
    ]
