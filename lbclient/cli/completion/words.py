"""Parsing of a bash line into words, the start of the last word for readline, and quoting of its replacement."""

from __future__ import annotations

BREAKS = "=:@"  # the characters of COMP_WORDBREAKS that words of lbclient can contain
SAFE = frozenset("%+,-./:=@_")
SPECIAL_IN_DOUBLE_QUOTES = frozenset('$`"\\')


class Line:
    """The words up to the cursor, without quotes; the last one is incomplete."""

    def __init__(self, words: tuple[str, ...], quote: str = "", kept: int = 0) -> None:
        self.words = words
        self.quote = quote  # the open quote
        self.kept = kept  # the number of characters of the last word that readline keeps

    def replacement(self, word: str) -> str:
        """Return the text for readline to insert so that the last word becomes this one."""
        return quoted(word[self.kept :], self.quote, is_start=self.kept == 0)


def read(line: str) -> Line:
    """Parse the line before the cursor."""
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
    """Return the word quoted for bash, after an open quote or without one."""
    if quote == "'":
        return word.replace("'", "'\\''")
    if quote == '"':
        return "".join(f"\\{each}" if each in SPECIAL_IN_DOUBLE_QUOTES else each for each in word)
    escaped = "".join(each if each.isalnum() or each in SAFE or ord(each) > 127 else f"\\{each}" for each in word)
    return escaped if escaped or not is_start else "''"
