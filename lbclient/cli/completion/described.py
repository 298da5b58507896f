"""Options and arguments of a parser as completion needs them: plain data that is read without argparse.

Nothing here imports a module that Python's own start does not: a word is completed while its reader waits.
"""

from __future__ import annotations

OPTIONAL = "?"
REST = ("*", "+", "...")  # the last one is argparse.REMAINDER
CLOUD = "os_cloud"  # the kind of the clouds in clouds.yaml, which are no objects in a cloud
NO_VALUE = "0"
LISTS = ("names", "rivals", "values", "keys", "key_values")
TEXTS = ("dest", "nargs", "kind", "refers", "meaning")
CLAIMS = ("is_hidden", "is_repeatable", "wants_files")
BETWEEN_FIELDS, BETWEEN_ITEMS = "\t", "\x1f"


class Action:
    """An option or an argument, and the words that it takes."""

    def __init__(self, dest: str) -> None:
        self.dest = dest
        self.names: list[str] = []  # of an option; an argument has none
        self.nargs = ""  # as in argparse: a number, ?, *, +, ..., or empty for one value
        self.kind = ""  # the kind of object that it names
        self.refers = ""  # the kind of object whose ID is a value of key=value
        self.meaning = ""
        self.rivals: list[str] = []  # dest of those that exclude it
        self.values: list[str] = []
        self.keys: list[str] = []  # of key=value,key=value
        self.key_values: list[str] = []  # key=value for each choice that a key has
        self.is_hidden = False
        self.is_repeatable = False
        self.wants_files = False

    @property
    def takes_value(self) -> bool:
        return self.nargs != NO_VALUE

    def line(self) -> str:
        """Return the action as a line of text; read_action() is the inverse."""
        lists = [BETWEEN_ITEMS.join(getattr(self, name)) for name in LISTS]
        texts = [getattr(self, name) for name in TEXTS]
        claims = ["1" if getattr(self, name) else "" for name in CLAIMS]
        return BETWEEN_FIELDS.join(" ".join(field.split("\n")) for field in (*lists, *texts, *claims))


def read_action(line: str) -> Action:
    """Return the action of a line. Raises ValueError."""
    fields = line.split(BETWEEN_FIELDS)
    if len(fields) != len(LISTS) + len(TEXTS) + len(CLAIMS):
        raise ValueError(line)
    action, rest = Action(""), iter(fields)
    for name in LISTS:
        text = next(rest)
        setattr(action, name, text.split(BETWEEN_ITEMS) if text else [])
    for name in TEXTS:
        setattr(action, name, next(rest))
    for name in CLAIMS:
        setattr(action, name, bool(next(rest)))
    return action


class Described:
    """The options and arguments of a command, or of the program."""

    def __init__(self, actions: list[Action]) -> None:
        self.actions = actions
        self.options = {name: action for action in actions for name in action.names}
        self.arguments = [action for action in actions if not action.names]
