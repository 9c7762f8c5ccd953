"""One replica of vLLM, by the routes that its server has with `--enable-lora`.

Loading under a name that is taken (`load_inplace`) is never asked for: prefix caches and requests
under way would answer for two versions by one name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pawl.errors import PublishError
from pawl.publish.http import Answer, ask

# Seconds for a list, which no model is needed for.
LISTING = 10.0


@dataclass(frozen=True)
class Card:
    """A model that a replica lists: `root` is what it was loaded from, `parent` the base's name."""

    root: str | None
    parent: str | None


class Replica:
    """A replica at an address, with its key if it asks for one."""

    def __init__(self, url: str, *, key: str | None, timeout: float) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._key, self._timeout = key, timeout

    def cards(self) -> dict[str, Card]:
        """What it serves, by name.

        Raises:
            PublishError: it does not answer, or not as vLLM does.
        """
        answer = ask(f"{self.url}/v1/models", key=self._key, timeout=min(LISTING, self._timeout))
        try:
            return {
                str(one["id"]): Card(one.get("root"), one.get("parent"))
                for one in answer.value["data"]
            }
        except (KeyError, TypeError, AttributeError):
            raise self._refused("lists no models", answer) from None

    def load(self, name: str, root: str) -> None:
        """Load an adapter from a folder that the replica sees, under a name that is free."""
        answer = self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": root})
        if answer.status != 200:
            raise self._refused(f"did not load {name} from {root}", answer)

    def unload(self, name: str) -> None:
        """Forget an adapter."""
        answer = self._post("/v1/unload_lora_adapter", {"lora_name": name})
        if answer.status not in (200, 404):
            raise self._refused(f"did not unload {name}", answer)

    def next_tokens(self, model: str, contexts: Sequence[Sequence[int]]) -> list[int]:
        """The token that it writes first after each of these token ids.

        Token ids, so that what is asked is what was judged, whatever template the server has. And
        plain answers of one token: the ranks of a prompt's tokens (`prompt_logprobs`), which would
        tell as much, end vLLM's engine where an adapter shares a batch (0.32, on a CPU).
        """
        body = {
            "model": model,
            "prompt": [list(one) for one in contexts],
            "max_tokens": 1,
            "temperature": 0,
            # A base's own generation_config.json may set another, which was not judged.
            "repetition_penalty": 1.0,
            "return_token_ids": True,
        }
        answer = self._post("/v1/completions", body)
        try:
            choices = sorted(answer.value["choices"], key=lambda one: int(one["index"]))
            # Of an end that it writes at once, some versions say no token.
            tokens = [int((one["token_ids"] or [-1])[0]) for one in choices]
        except (KeyError, TypeError, ValueError):
            raise self._refused(f"does not answer as {model}", answer) from None
        if len(tokens) != len(contexts):
            raise self._refused(f"does not answer all prompts as {model}", answer)
        return tokens

    def _post(self, route: str, body: Any) -> Answer:
        data = json.dumps(body).encode()
        return ask(f"{self.url}{route}", data, key=self._key, timeout=self._timeout)

    def _refused(self, what: str, answer: Answer) -> PublishError:
        remedy = "see the replica's log"
        if answer.status in (401, 403):
            remedy = "name the variable that has its key in `key_env`"
        elif answer.status in (404, 405) and "lora" not in str(answer.value).casefold():
            remedy = "start it with `--enable-lora` and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
        elif "load" in what:
            remedy += "; see that it reads that folder (`path`, and `mounted` where it sees "
            remedy += "another path), and that `--max-lora-rank` is the adapter's at least"
        # A server may quote what it was sent.
        said = answer.said.replace(self._key, "***") if self._key else answer.said
        return PublishError(
            f"{self.url} {what}: {said}",
            rule="a replica is vLLM on the task's base, with LoRA and its updates at run time",
            remedy=remedy,
        )
