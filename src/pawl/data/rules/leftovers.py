"""What was left in answers by how they were made: placeholders, stop marks, and ends that are
missing.

Each function returns what is wrong with an answer, or an empty string.
"""

from __future__ import annotations

import json
import re

# `{{name}}`, `[YOUR NAME]`, `[INSERT DATE]`, `<YOUR_KEY>`. In capitals, as `[company]` may be text.
PLACEHOLDER = re.compile(
    r"\{\{ ?[A-Za-z_][\w .-]{0,40}\}\}"
    r"|\[(?:YOUR|MY|INSERT|ENTER|ADD|Your|Insert|Enter)[ _-][\w '/-]{1,40}\]"
    r"|\[(?:[A-Z]{2,20}[ _])?(?:NAME|DATE|COMPANY|EMAIL|ADDRESS|PHONE|NUMBER|TITLE|CITY|AUTHOR)\]"
    r"|<(?:YOUR|INSERT|ENTER)[ _-][\w '/-]{1,40}>"
)
# What older fine-tuning files end their answers with, as models had no token for it, and the end
# tokens of chat templates, which the template writes itself.
STOPS = re.compile(
    r"(?:(?<=\s)END|(?<=\s)STOP|#{3,}|\[END\]|<END>|</s>|<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>)$"
)
# At the end of a prompt: `\n\n###\n\n`, `->`, of the same files.
SEPARATORS = re.compile(r"(?:\n\s*#{3,}|\s#{3,}|\s->|\s=>)$")
# A long text does not end in one of these.
OPEN_END = re.compile(
    r"(?:[,(\[{]|\b(?:the|a|an|and|or|of|to|in|with|for|that|is|are|by|und|der))$"
)
PROSE = 80
# Characters at an end within which such marks stand: a search from the beginning reads all of them.
TAIL = 64


def placeholder(completion: str, prompt: str) -> str:
    """An unfilled placeholder; one that the prompt has, too, is a part of the task."""
    found = next((m for m in PLACEHOLDER.findall(completion) if m not in prompt), "")
    return f"holds the placeholder {found}" if found else ""


def separator(completion: str, prompt: str) -> str:
    """A stop mark at the answer's end, or a separator at the prompt's."""
    if stop := STOPS.search(completion.rstrip()[-TAIL:]):
        return f"the answer ends with {stop[0]}"
    if mark := SEPARATORS.search(prompt.rstrip()[-TAIL:]):
        return f"the prompt ends with {mark[0].strip()}"
    return ""


def cut_off(completion: str) -> str:
    """An answer that seems to end too early: an open JSON value or code fence, half a sentence."""
    text = completion.strip()
    if text.count("```") % 2:
        return "its code fence is not closed"
    if text[:1] in ("{", "[") and text[-1:] not in ("}", "]"):
        try:
            json.loads(text)
        except RecursionError:
            return ""
        except ValueError as error:
            # Of text that begins with a bracket the end is no sign of anything.
            unfinished = text[1:2] in ('"', "{", "[") and "Extra data" not in str(error)
            # Two braces are a placeholder's.
            unfinished &= not text.startswith("{{")
            return "its JSON is not closed" if unfinished else ""
    if len(text) >= PROSE and "\n" not in text[-40:] and OPEN_END.search(text):
        return "ends in the middle of a sentence"
    return ""
