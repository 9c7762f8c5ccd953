"""A check report as a real delivery leaves it: some rules block, some warn, some saw a sample."""

from __future__ import annotations

from pawl.core.records import CheckReport, Drift, Fault, Histogram, Rule

ROWS = 12_480


def faults(count: int, says: str) -> tuple[Fault, ...]:
    return tuple(Fault(f"tk-{1000 + 37 * i}", says.format(i=i)) for i in range(count))


def unfit() -> CheckReport:
    """A report on data that is not fit: three rules block."""
    return CheckReport(
        task="tickets",
        data="9f2c" * 16,
        rows=ROWS,
        suite="41ab" * 16,
        rules=(
            Rule("readable", "block", True, 0, ROWS, "every row can be read"),
            Rule("row_count", "block", True, ROWS, ROWS, "at least 100 rows"),
            Rule("length", "block", False, 3, ROWS, "prompt and completion fit in 160 tokens",
                 faults(3, "17{i} tokens")),
            Rule("contradictions", "block", True, 41, ROWS,
                 "at most 1% of rows share a prompt but not the completion",
                 faults(10, "the prompt of tk-1{i}4, another completion")),
            Rule("duplicates", "warn", False, 169, ROWS, "no prompt stands twice",
                 faults(10, "the prompt of tk-2{i}1")),
            Rule("near_duplicates", "warn", False, 310, 5_000, "no two prompts are nearly the same",
                 faults(10, "shares 0.9{i} with tk-31{i}")),
            Rule("constant", "block", True, 1_984, ROWS, "completions are not all the same"),
            Rule("schema", "block", False, 1_272, ROWS,
                 "each completion is JSON that obeys the task's schema",
                 (*faults(9, "'urgency' is a required property"),
                  Fault("<b>x</b>", '"><script>document.title = 1</script>'))),
            Rule("secrets", "block", False, 2, ROWS, "no row holds a secret",
                 faults(2, "completion: a private key, characters 12 to 180")),
            Rule("personal", "warn", False, 4, ROWS, "no row holds personal data",
                 faults(4, "prompt: an e-mail address, characters 8 to 2{i}")),
            Rule("blanks", "warn", True, 0, ROWS,
                 "completions neither begin nor end with blanks"),
            Rule("label_noise", "warn", False, 118, 10_000,
                 "near neighbours agree on the label",
                 faults(10, "'billing' where 9 of 9 neighbours say 'delivery'")),
        ),
        histograms=(
            Histogram("prompt", "tokens", tuple(range(0, 168, 8)),
                      (0, 12, 140, 602, 1310, 2011, 2204, 1890, 1502, 1101, 702, 433, 260, 144, 80,
                       44, 22, 12, 8, 3)),
            Histogram("completion", "tokens", (0, 4, 8, 12, 16, 20, 24, 28, 32),
                      (0, 0, 301, 4208, 6120, 1712, 138, 1)),
        ),
        drift=(
            Drift("prompt length", 0.0312, "median 44 tokens, was 43"),
            Drift("labels", 0.214, "'refund' 18 %, was 7 %; new: 'warranty'"),
            Drift("vocabulary", 0.087, "new words: warranty, e-scooter"),
        ),
    )  # fmt: skip


def fit() -> CheckReport:
    """A report on data that is fit, of a first cycle: nothing to compare with."""
    rules = tuple(rule for rule in unfit().rules if rule.passed)
    return CheckReport(task="tickets", data="9f2c" * 16, rows=ROWS, rules=rules)
