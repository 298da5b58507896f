"""Words that may have been meant instead of an unknown one."""

from __future__ import annotations

from collections.abc import Iterable

AT_MOST = 3
SIMILARITY = 0.6  # of difflib: 1 is the same word
NEARLY = 0.1  # words that are less alike by more than this are left out


def closest(word: str, known: Iterable[str]) -> list[str]:
    """The most similar of the known words, best first; upper and lower case count as the same."""
    import difflib  # here, since it is needed after a mistake only

    folded = word.lower()
    matcher = difflib.SequenceMatcher(b=folded)
    scores: dict[str, float] = {}
    for each in dict.fromkeys(known):
        matcher.set_seq1(each.lower())
        begins = len(folded) > 2 and each.lower().startswith(folded)
        if begins or matcher.quick_ratio() >= SIMILARITY:
            scores[each] = max(matcher.ratio(), SIMILARITY if begins else 0.0)
    least = max(SIMILARITY, max(scores.values(), default=0.0) - NEARLY)
    found = sorted((each for each in scores if scores[each] >= least), key=lambda each: -scores[each])
    same = [each for each in found if each.lower() == folded]
    return (same or found)[:AT_MOST]


def question(found: Iterable[str]) -> str:
    """Did you mean 'a' or 'b'? Nothing, where nothing is similar."""
    words = [f"'{each}'" if each.isprintable() else repr(each) for each in found]
    if not words:
        return ""
    return f"Did you mean {', '.join(words[:-1])} or {words[-1]}?" if len(words) > 1 else f"Did you mean {words[0]}?"
