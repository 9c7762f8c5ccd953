"""A webhook is MLflow's own, signed, told when all else is proved, and told until it is heard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from published import Published
from webhook_receiver import Receiver, receiving

from pawl.store.registry import ALIAS

SECRET = "a-secret-of-the-router-and-this-machine"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def told(
    tickets: Published, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Published:
    monkeypatch.setenv("ROUTER_SECRET", SECRET)
    tickets.targets(
        {"kind": "webhook", "url": receiver.url, "secret_env": "ROUTER_SECRET"},
        {"kind": "folder", "path": str(tmp_path / "out")},
        {"kind": "kubernetes-yaml", "path": str(tmp_path / "deploy"), "pool": "qwen3"},
    )
    return tickets


def test_mlflows_own_code_takes_the_signature_and_the_payload(
    told: Published, receiver: Receiver
) -> None:
    from mlflow.webhooks.delivery import _generate_hmac_signature
    from mlflow.webhooks.types import ModelVersionAliasCreatedPayload

    done = told.publish()
    assert done.ok
    [(headers, body)] = receiver.got
    signed = _generate_hmac_signature(
        SECRET,
        headers["X-Mlflow-Delivery-Id"],
        headers["X-Mlflow-Timestamp"],
        body.decode(),
    )
    assert headers["X-Mlflow-Signature"] == signed
    value = json.loads(body)
    assert (value["entity"], value["action"]) == ("model_version_alias", "created")
    assert value["data"].keys() == ModelVersionAliasCreatedPayload.example().keys()
    assert value["data"] == {"name": "tickets", "alias": ALIAS, "version": "1"}
    assert SECRET not in f"{done} {told.workspace.published('tickets').read_text()}"


def test_a_release_is_told_once_and_again_until_it_is_heard(
    told: Published, receiver: Receiver
) -> None:
    receiver.statuses = [503, 204]
    done = told.publish()
    assert not done.ok
    assert "HTTP 503" in next(one.says for one in done.served if not one.ok)
    assert told.publish().ok
    assert told.publish().ok
    assert all(one.ok for one in told.look())
    assert len(receiver.got) == 2
    assert len({headers["X-Mlflow-Delivery-Id"] for headers, _ in receiver.got}) == 1
    told.release(2)
    told.release(1, back=True)  # another release of the same version is news
    assert told.publish().ok
    assert [json.loads(body)["data"]["version"] for _, body in receiver.got] == ["1", "1", "1"]
    assert len({headers["X-Mlflow-Delivery-Id"] for headers, _ in receiver.got}) == 2


def test_what_was_heard_is_not_told_again_because_another_target_failed(
    told: Published, receiver: Receiver, tmp_path: Path
) -> None:
    assert told.publish().ok
    name = tmp_path / "out" / "tickets.json"
    name.unlink()
    name.mkdir()
    assert not told.publish().ok
    name.rmdir()
    assert told.publish().ok
    assert len(receiver.got) == 1


def test_nobody_is_told_of_what_is_not_served(
    told: Published, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("in its place")
    done = told.publish()
    assert [one.ok for one in done.served] == [False, False, False]
    assert all("waits until" in one.says for one in done.served[1:])
    assert not receiver.got
    assert not (tmp_path / "deploy").exists()


def test_the_manifest_has_a_gateway_rewrite_the_tasks_name(told: Published, tmp_path: Path) -> None:
    told.publish()
    told.release(2)
    assert [one.ok for one in told.look()] == [False, False, False]
    told.publish()
    value = yaml.safe_load((tmp_path / "deploy" / "tickets.yaml").read_text())
    assert value["kind"] == "InferenceModelRewrite"
    [rule] = value["spec"]["rules"]
    assert rule["matches"] == [{"model": {"type": "Exact", "value": "tickets"}}]
    assert rule["targets"] == [{"modelRewrite": "tickets-v2"}]


def test_a_secret_file_that_others_may_read_is_refused(
    tickets: Published, receiver: Receiver
) -> None:
    file = tickets.workspace.root / "secret"
    file.write_text(SECRET)
    file.chmod(0o644)
    tickets.targets({"kind": "webhook", "url": receiver.url, "secret_file": "secret"})
    [told] = tickets.publish().served
    assert "chmod 600" in told.says
    assert SECRET not in told.says
    assert not receiver.got
    file.chmod(0o600)
    assert tickets.publish().ok
