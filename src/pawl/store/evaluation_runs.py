"""A contender's rows as an MLflow evaluation run: what *Evaluation runs* lists and compares.

A row is a trace: what the model was asked, its answer, the reference, an assessment a metric.
MLflow pairs the traces of two runs by what was asked, so that two contenders stand side by side.
A trace takes MLflow 5 to 40 ms, so that there is a time after which rows are left out. These runs
are for people: nothing is read back from them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from pawl.core.files import digest_text
from pawl.core.records import Message
from pawl.store.client import Store, store_errors

if TYPE_CHECKING:
    from mlflow.entities import Assessment, Span
    from mlflow.entities.trace_info import TraceInfo

# Rows a transaction, which holds the database's only writer up for half a second; and how many
# traces MLflow deletes at once.
BATCH, DELETED = 50, 100
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
    start, begun = time.monotonic(), time.time_ns() // 1_000_000
    written: Counter[str] = Counter()
    numbered = enumerate(rows)
    with store_errors(store.uri):
        while batch := list(islice(numbered, BATCH)):
            with _one_transaction(store.client._tracking_client.store) as tracking:
                spans: list[Span] = []
                for number, row in batch:
                    flip = any(answer.flip for answer in row)
                    if time.monotonic() - start > (most if flip else seconds):
                        continue
                    for answer in row:
                        # MLflow shows the newest first.
                        info, span = _trace(answer, experiment, begun - number)
                        tracking.start_trace(info)
                        spans.append(span)
                        written[answer.run] += 1
                tracking.log_spans(experiment, spans)
    return written


@contextmanager
def _one_transaction(tracking: Any) -> Iterator[Any]:
    """What writes to MLflow's tracking store, on a database in one transaction within the block.

    MLflow commits each trace by itself, which waits for the disk. A copy of its store that has one
    session for all does the same in a third of the time; a server, which has none, writes as ever.
    """
    if (sessions := getattr(tracking, "ManagedSessionMaker", None)) is None:
        yield tracking
        return
    with sessions(read_only=False) as session:

        @contextmanager
        def shared(**_: bool) -> Iterator[Any]:
            yield session
            session.flush()

        # Another thread may be using the store itself.
        together = copy(tracking)
        together.ManagedSessionMaker = shared
        yield together


def delete_answers(store: Store, experiment: str, runs: Sequence[str]) -> None:
    """Delete what an attempt that was cut off has written for these runs."""
    with store_errors(store.uri):
        for run in runs:
            query = f"metadata.`mlflow.sourceRun` = '{run}'"
            while names := _found(store, experiment, query):
                store.client.delete_traces(experiment, trace_ids=names)


def _found(store: Store, experiment: str, query: str) -> list[str]:
    traces = store.client.search_traces(
        locations=[experiment], filter_string=query, max_results=DELETED, include_spans=False
    )
    return [trace.info.trace_id for trace in traces]


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
