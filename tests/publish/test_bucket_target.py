"""A bucket gets each version whole and verified, and a name that moves last: a real S3 server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer
from published import Published

from pawl.errors import PublishError
from pawl.ledger.provenance import author
from pawl.publish.publish import publish_release
from pawl.release.retire import retire

FOLDER = ("adapter_config.json", "adapter_model.safetensors", "pawl.json")


@pytest.fixture
def bucket(tickets: Published, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the bucket that the task is published to."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    # It keeps its buckets for as long as the process lives.
    urllib.request.urlopen(f"{url}/moto-api/reset", data=b"").close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="models")
    tickets.targets({"kind": "s3", "url": "s3://models/live"})
    yield client
    server.stop()


def keys(bucket: Any) -> set[str]:
    found = bucket.list_objects_v2(Bucket="models").get("Contents", [])
    return {one["Key"].removeprefix("live/") for one in found}


def named(bucket: Any) -> Any:
    return json.loads(bucket.get_object(Bucket="models", Key="live/tickets.json")["Body"].read())


def test_versions_lie_there_whole_and_the_name_follows_the_ledger_both_ways(
    tickets: Published, bucket: Any
) -> None:
    [seen] = tickets.publish().served
    assert (seen.ok, seen.served) == (True, "tickets-v1")
    assert keys(bucket) == {"tickets.json", *(f"tickets-v1/{name}" for name in FOLDER)}
    tickets.release(2)
    [stale] = tickets.look()
    assert (stale.ok, stale.served) == (False, "tickets-v1")
    assert tickets.publish().ok
    assert (named(bucket)["served"], named(bucket)["previous"]) == ("tickets-v2", "tickets-v1")
    tickets.release(1, back=True)
    assert tickets.publish().ok
    assert named(bucket)["served"] == "tickets-v1"
    assert "tickets-v2/pawl.json" in keys(bucket), "a rollback removes nothing"


@pytest.mark.parametrize("fault", ["altered", "a part is gone", "something more"])
def test_what_was_changed_there_shows_and_is_written_anew(
    tickets: Published, bucket: Any, fault: str
) -> None:
    tickets.publish()
    place = {"Bucket": "models", "Key": "live/tickets-v1/adapter_model.safetensors"}
    if fault == "altered":
        bucket.put_object(**place, Body=b"other weights")
    elif fault == "a part is gone":
        bucket.delete_object(**place)
    else:
        bucket.put_object(Bucket="models", Key="live/tickets-v1/run.py", Body=b"import os")
    [seen] = tickets.look()
    assert not seen.ok
    assert "s3://models/live/tickets-v1" in seen.says
    assert tickets.publish().ok
    assert "tickets-v1/run.py" not in keys(bucket)
    [seen] = tickets.look()
    assert seen.ok


def test_half_a_version_is_none_and_is_written_whole(tickets: Published, bucket: Any) -> None:
    """As a publisher that was killed leaves it: its manifest, which comes last, is missing."""
    tickets.publish()
    for name in ("live/tickets-v1/pawl.json", "live/tickets.json"):
        bucket.delete_object(Bucket="models", Key=name)
    [seen] = tickets.look()
    assert (seen.ok, seen.served) == (False, None)
    assert tickets.publish().ok


def test_a_bucket_that_is_not_there_is_told_and_the_release_stands(
    tickets: Published, bucket: Any
) -> None:
    tickets.targets({"kind": "s3", "url": "s3://nowhere"})
    with pytest.raises(PublishError, match="s3://nowhere cannot be used") as told:
        publish_release(tickets.workspace, tickets.store, "tickets")
    assert "testing" not in str(told.value)
    assert not bucket.list_objects_v2(Bucket="models").get("Contents")


def test_a_retired_version_leaves_the_bucket(tickets: Published, bucket: Any) -> None:
    params = yaml.safe_load(tickets.workspace.params_file.read_text())
    tickets.workspace.params_file.write_text(yaml.safe_dump(params | {"release": {"keep": 1}}))
    for version in (2, 3):
        tickets.publish()
        tickets.release(version)
    tickets.publish()
    who = author(tickets.workspace)
    retire(tickets.workspace, tickets.store, "tickets", 1, why="a secret in it", who=who)
    tickets.publish()
    assert not any(name.startswith("tickets-v1/") for name in keys(bucket))
    assert "tickets-v3/pawl.json" in keys(bucket)
