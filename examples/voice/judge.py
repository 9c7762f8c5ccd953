"""A judge for the voice example, served on loopback: it stands in for a large model.

    python examples/voice/judge.py            # prints the url for `gate.judge`, until Ctrl-C

It speaks the route of OpenAI-compatible servers and likes what the scripted reviewer likes. Like a
real one it errs in some pairs, follows the place in some questions, changes its mind now and then,
and does not always reply as it was asked to; the seed makes that the same each time.
"""

from __future__ import annotations

import argparse
import json
import random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reviewer import liking

WRONG, PLACE, FLIPS, PROSE = 0.06, 0.08, 0.04, 0.01


def reply(system: str, material: str, anew: random.Random) -> str:
    """What the judge says of a request and two answers, which are given as JSON."""
    value = json.loads(material)
    request, a, b = value["request"][-1]["content"], value["A"], value["B"]
    pair = random.Random(f"{system} {request} {sorted((a, b))}")
    better = liking(request, a) - liking(request, b)
    if pair.random() < WRONG:
        better = -better
    if anew.random() < PROSE:
        return "Both have their charms."
    if random.Random(f"{request} {a} {b}").random() < PLACE:
        better = 1
    elif anew.random() < FLIPS:
        better = anew.choice((1, -1))
    return json.dumps({"better": "neither" if not better else "A" if better > 0 else "B"})


class Route(BaseHTTPRequestHandler):
    """`POST /v1/chat/completions`."""

    anew = random.Random(20261129)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        system, material = (turn["content"] for turn in asked["messages"])
        message = {"role": "assistant", "content": reply(system, material, self.anew)}
        data = json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Silent."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Route) as server:
        print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
