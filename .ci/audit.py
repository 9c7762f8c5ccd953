"""Ask an advisory feed about every version that the lock files name: `make audit`.

Exits 0 if none has an advisory, 1 if one has, 2 if nothing could be learned. pip-audit alone says
"No known vulnerabilities found" also where its feed knows nothing: behind a proxy that answers 404,
on a mirror without advisories. So a version with famous advisories is asked about in the same run,
and a feed that finds that one sound is no feed. Options are handed to pip-audit:

    python .ci/audit.py --osv-url http://mirror.example/v1/query
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNSOUND = "django==1.8"
# Advisories without a mended version, and what stands between them and harm.
ACCEPTED = {
    "CVE-2025-69872": "diskcache unpickles what lies in its folder: a workspace's DVC has it below "
    ".pawl/, where its owner alone may write (pawl.workspace.environment)",
}
PIN = re.compile(r"^[A-Za-z0-9._-]+==[^\s;\\]+", re.MULTILINE)


def main(options: list[str]) -> int:
    """Print what the feed says of the pinned versions; return the exit code."""
    locks = [ROOT / "requirements.lock", *sorted(ROOT.glob("infra/*.lock"))]
    pins = sorted({pin for lock in locks for pin in PIN.findall(lock.read_text(encoding="utf-8"))})
    advisories, complaint = ask([*pins, UNSOUND], options)
    unanswered = [pin for pin in pins if pin not in advisories]
    if unanswered or not advisories.get(UNSOUND):
        what = complaint or f"it has no word on {(unanswered or [UNSOUND])[0]}"
        return say(
            2,
            f"no advisory feed ({what}), so nothing is known of these {len(pins)} versions. "
            "Ask one that can be reached: make audit AUDIT='--osv-url URL'",
        )
    bad = [pin for pin in pins if advisories[pin]]
    sys.stdout.writelines(f"{pin}: {advisory}\n" for pin in bad for advisory in advisories[pin])
    if bad:
        return say(
            1,
            f"advisories for {len(bad)} of {len(pins)} versions: raise what they name in "
            "pyproject.toml, then `make lock`",
        )
    return say(0, f"{len(pins)} versions, no advisory but the {len(ACCEPTED)} accepted")


def ask(pins: list[str], options: list[str]) -> tuple[dict[str, list[str]], str]:
    """Return the advisories of each pin that got an answer, and why, if none got one."""
    with tempfile.TemporaryDirectory() as folder:
        # Bare pins: pip-audit would leave out those whose markers are of another Python or system.
        asked = Path(folder) / "pins.txt"
        asked.write_text("\n".join(pins), encoding="utf-8")
        ignored = [word for advisory in ACCEPTED for word in ("--ignore-vuln", advisory)]
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            "-r",
            str(asked),
            "--no-deps",
            "--disable-pip",
        ]
        command += ["-s", "osv", "-f", "json", "--desc", "off", "--progress-spinner", "off"]
        done = subprocess.run([*command, *ignored, *options], capture_output=True, text=True)
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return {}, (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1]
    return {
        f"{answer['name']}=={answer['version']}": [described(vuln) for vuln in answer["vulns"]]
        for answer in answers
        if "vulns" in answer
    }, ""


def described(vuln: dict[str, list[str]]) -> str:
    """An advisory's names and the versions that mend it, in one line of printable characters."""
    line = f"{', '.join([str(vuln['id']), *vuln.get('aliases', [])])}; "
    line += f"mended in {', '.join(vuln['fix_versions'])}" if vuln["fix_versions"] else "not mended"
    return "".join(char for char in line if char.isprintable())


def say(code: int, sentence: str) -> int:
    """Print the outcome, to standard error unless all is well; return its exit code."""
    print(f"audit: {sentence}", file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
