"""Suggestions of similar words for an unknown one."""

from __future__ import annotations

from collections.abc import Iterable

AT_MOST = 3
SIMILARITY = 0.6  # minimum ratio of difflib; 1 is the same word
NEARLY = 0.1  # words whose ratio is lower than the best by more than this are left out


def closest(word: str, known: Iterable[str]) -> list[str]:
    """Return the most similar known words, best first. Case is ignored."""
    import difflib  # imported here, because it is needed only after a mistake

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
    """Return the question "Did you mean 'a' or 'b'?"; "" if there are no words."""
    words = [f"'{each}'" if each.isprintable() else repr(each) for each in found]
    if not words:
        return ""
    return f"Did you mean {', '.join(words[:-1])} or {words[-1]}?" if len(words) > 1 else f"Did you mean {words[0]}?"
