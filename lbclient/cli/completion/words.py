"""A line as bash has it: its words, where the one at the cursor begins for readline, and quoting what is put there."""

from __future__ import annotations

from dataclasses import dataclass

BREAKS = "=:@"  # of COMP_WORDBREAKS, what our words can contain
SAFE = frozenset("%+,-./:=@_")
SPECIAL_IN_DOUBLE_QUOTES = frozenset('$`"\\')


@dataclass(frozen=True)
class Line:
    """The words up to the cursor, without quotes; the last is being typed."""

    words: tuple[str, ...]
    quote: str = ""  # the quote that is still open
    kept: int = 0  # how many characters of the last word readline leaves as they are

    def replacement(self, word: str) -> str:
        """What readline has to put in, so that the last word becomes this one."""
        return quoted(word[self.kept :], self.quote, is_start=self.kept == 0)


def read(line: str) -> Line:
    """The words of what stands before the cursor."""
    words: list[str] = []
    word, quote, kept, is_word = "", "", 0, False
    characters = iter(line)
    for character in characters:
        if character == quote:
            quote, kept = "", 0
        elif character == "\\" and quote != "'":
            following = next(characters, "")
            word += following if quote != '"' or following in SPECIAL_IN_DOUBLE_QUOTES else character + following
            is_word = True
        elif quote:
            word += character
        elif character in "'\"":
            quote, kept, is_word = character, len(word), True
        elif character.isspace():
            if is_word:
                words.append(word)
            word, kept, is_word = "", 0, False
        else:
            word, is_word = word + character, True
            kept = len(word) if character in BREAKS else kept
    return Line((*words, word), quote, kept)


def quoted(word: str, quote: str = "", *, is_start: bool = True) -> str:
    """The word as it stands behind that open quote, or without one."""
    if quote == "'":
        return word.replace("'", "'\\''")
    if quote == '"':
        return "".join(f"\\{each}" if each in SPECIAL_IN_DOUBLE_QUOTES else each for each in word)
    escaped = "".join(each if each.isalnum() or each in SAFE or ord(each) > 127 else f"\\{each}" for each in word)
    return escaped if escaped or not is_start else "''"
