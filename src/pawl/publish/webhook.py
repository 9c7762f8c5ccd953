"""The target `webhook`: MLflow's own webhook for an alias that was set, signed as MLflow signs.

A receiver that is written for MLflow takes it unchanged. MLflow's is sent when an alias is set,
once, and lost if nobody hears it; this one when the version is proved, and until it is heard. The
delivery's id is that of the release, so that a receiver can tell a second one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import UTC, datetime

from pawl.config.targets import WebhookTarget
from pawl.core.records.publish import Served
from pawl.errors import PublishError
from pawl.publish.current import Current
from pawl.publish.http import ask
from pawl.publish.record import publications
from pawl.publish.secret import from_file, from_variable
from pawl.store.registry import ALIAS


def publish_webhook(current: Current, target: WebhookTarget) -> list[Served]:
    """Tell the receiver of the release, unless it has heard of it.

    Raises:
        UsageError: the secret cannot be used.
        PublishError: the receiver does not take it.
    """
    if (heard := served_webhook(current, target))[0].ok:
        return heard
    secret = (
        from_variable(target.secret_env)
        if target.secret_env
        else from_file(current.workspace, target.secret_file or "")
    )
    body = payload(current)
    headers = signed_headers(secret, _delivery(current, target), str(int(time.time())), body)
    answer = ask(target.url, body.encode(), headers=headers, timeout=target.timeout)
    if not 200 <= answer.status < 300:
        raise PublishError(
            f"{target.url} does not take the webhook: {answer.said}",
            rule="a receiver answers with a status of 200 to 299 once it has taken it",
            remedy="see its log; a wrong signature means another secret there than here",
        )
    return [Served(target.label, current.name, True, _heard(current))]


def served_webhook(current: Current, target: WebhookTarget) -> list[Served]:
    """Whether the receiver has heard of the release, by the record of what was published."""
    heard = Served(target.label, current.name, True, _heard(current))
    # In any of them: a later one may have waited for another target.
    if any(heard in one.served for one in publications(current.workspace, current.task)):
        return [heard]
    return [Served(target.label, None, False, f"was not told of {current.name} yet")]


def payload(current: Current) -> str:
    """The body: MLflow's `model_version_alias.created`."""
    data = {"name": current.task, "alias": ALIAS, "version": str(current.champion.version)}
    value = {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": datetime.now(UTC).isoformat(),
        "data": data,
    }
    return json.dumps(value)


def signed_headers(secret: str, delivery: str, timestamp: str, body: str) -> dict[str, str]:
    """MLflow's headers: an HMAC-SHA256 over id, time and body, as Standard Webhooks have it."""
    content = f"{delivery}.{timestamp}.{body}".encode()
    mac = base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": timestamp,
        "X-MLflow-Signature": f"v1,{mac}",
    }


def _delivery(current: Current, target: WebhookTarget) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{target.url} {current.release.digest}"))


def _heard(current: Current) -> str:
    return f"was told of it (ledger entry {current.release.number})"
