"""Prepared statements: composed and compiled once by SQLAlchemy, then run by the database driver itself.

SQLAlchemy takes ten times as long to compose a statement, look it up and wrap its rows as SQLite takes to run it. The
statements that every request needs are therefore composed once with SQLAlchemy and kept as SQL text.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from . import nonblocking
from .records import Record

Processor = Callable[[Any], Any]
CHUNK = 250  # rows that one statement inserts in SQLite
MOST_VALUES = 32_000  # values of one statement in SQLite, which allows 32,766


class Prepared:
    """A statement with a sa.bindparam for each value that varies between runs.

    Values are passed by the names of the parameters; the value of an INSERT's or UPDATE's column is passed by the name
    of the column. Rows are named tuples, with a dictionary in _mapping. Driver errors are raised as SQLAlchemy's.
    """

    def __init__(self, statement: Any, columns: Sequence[str] | None = None) -> None:
        """Keep the statement; `columns` names the columns that an INSERT or UPDATE sets by values passed to a run."""
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def all(self, tx: sa.Connection, **values: Any) -> list[Record]:
        """Return all rows."""
        compiled = self._for(tx)
        return compiled.records(compiled.run(tx, values).fetchall())

    def first(self, tx: sa.Connection, **values: Any) -> Record | None:
        """Return the first row; None if there is no row."""
        compiled = self._for(tx)
        return next(iter(compiled.records(compiled.run(tx, values).fetchmany(1))), None)

    def one(self, tx: sa.Connection, **values: Any) -> Record:
        """Return the first row. Raises sa.exc.NoResultFound if there is none."""
        row = self.first(tx, **values)
        if row is None:
            raise sa.exc.NoResultFound("No row was found when one was required")
        return row

    def scalar(self, tx: sa.Connection, **values: Any) -> Any:
        """Return the first column of the first row; None if there is no row."""
        row = self.first(tx, **values)
        return None if row is None else row[0]

    def scalars(self, tx: sa.Connection, **values: Any) -> list[Any]:
        """Return the first column of every row."""
        return [row[0] for row in self.all(tx, **values)]

    def run(self, tx: sa.Connection, **values: Any) -> int:
        """Run the statement and return the number of rows that it has changed."""
        rows: int = self._for(tx).run(tx, values).rowcount
        return rows

    def run_each(self, tx: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run the statement once for each row of values and return the number of rows that were changed in all.

        PostgreSQL is sent all of them before the first answer. SQLite is given many rows to insert at once: after each
        statement, its driver lets another thread compute, for which all who want to write would wait.
        """
        return self._for(tx).run_each(tx, rows)

    def _for(self, tx: sa.Connection) -> _Compiled:
        name = tx.dialect.name
        found = self._compiled.get(name)
        if found is None:
            found = self._compiled[name] = _Compiled(self._statement, self._columns, tx.dialect)
        return found


class _Compiled:
    """A statement compiled for one SQL dialect."""

    def __init__(self, statement: Any, columns: Sequence[str] | None, dialect: Any) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        self._text = str(compiled)
        parameters = {name: parameter for parameter, name in compiled.bind_names.items()}
        found = {name: each.type.dialect_impl(dialect).bind_processor(dialect) for name, each in parameters.items()}
        self._processors: dict[str, Processor] = {name: each for name, each in found.items() if each is not None}
        self._fixed = {
            name: self._processed(name, each.effective_value) for name, each in parameters.items() if not each.required
        }
        self._shape(getattr(statement, "selected_columns", ()), dialect)
        self._insertion = _Insertion(self._text) if dialect.name == "sqlite" and compiled.isinsert else None

    def _shape(self, columns: Iterable[Any], dialect: Any) -> None:
        """Set up the class of rows and the result processors of columns whose driver values need converting."""
        listed = list(columns)
        self._make = _row_class(tuple(str(column.key) for column in listed))._make
        found = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in listed]
        self._readers = [(place, reader) for place, reader in enumerate(found) if reader is not None]

    def run(self, tx: sa.Connection, values: Mapping[str, Any]) -> Any:
        """Run the statement and return the driver's cursor."""
        return execute(tx, self._text, self._bound(values))

    def run_each(self, tx: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        bound = [self._bound(values) for values in rows]
        whole = self._insertion.run(tx, bound) if self._insertion else 0
        return whole + execute_each(tx, self._text, bound[whole:]) if len(bound) > whole else whole

    def _bound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        bound = {**self._fixed, **values}
        for name, processor in self._processors.items():
            if name in values:
                bound[name] = processor(values[name])
        return bound

    def records(self, rows: Iterable[Sequence[Any]]) -> list[Record]:
        make, readers = self._make, self._readers
        if not readers:
            return [make(row) for row in rows]
        found = []
        for row in rows:
            values = list(row)
            for place, reader in readers:
                values[place] = reader(values[place])
            found.append(make(values))
        return found

    def _processed(self, name: str, value: Any) -> Any:
        processor = self._processors.get(name)
        return processor(value) if processor else value


class _Insertion:
    """An INSERT of one row in SQLite, as one of many rows."""

    def __init__(self, text: str) -> None:
        head, _, places = text.partition(" VALUES ")
        self._names = re.findall(r":(\w+)", places)
        self._size = min(CHUNK, MOST_VALUES // max(len(self._names), 1))
        self._text = f"{head} VALUES {', '.join([re.sub(':[^,)]+', '?', places)] * self._size)}"

    def run(self, tx: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows as long as they fill whole statements, and return how many those are."""
        whole = len(rows) - len(rows) % self._size
        for start in range(0, whole, self._size):
            values = [row[name] for row in rows[start : start + self._size] for name in self._names]
            execute(tx, self._text, values).close()
        return whole


def execute(tx: sa.Connection, text: str, values: Mapping[str, Any] | Sequence[Any] | None = None) -> Any:
    """Run a statement given as SQL text and return the driver's cursor. Raises SQLAlchemy's errors."""
    cursor = tx.connection.cursor()
    try:
        cursor.execute(text, values or {})
    except tx.dialect.loaded_dbapi.Error as error:
        raise _translated(tx, error, text) from error
    return cursor


def execute_each(tx: sa.Connection, text: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run a statement given as SQL text once for each row of values, and return the number of rows that were changed.

    Raises SQLAlchemy's errors.
    """
    cursor = tx.connection.cursor()
    try:
        cursor.executemany(text, rows)
    except tx.dialect.loaded_dbapi.Error as error:
        raise _translated(tx, error, text) from error
    changed: int = cursor.rowcount
    return changed


def once(tx: sa.Connection, statement: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[Any]:
    """Return the rows of a large statement that is unlikely to be repeated, and do not cache the statement.

    SQLite caches statements per connection, so the connection is closed at the end instead of going back to the pool.
    Raises nonblocking.TakesLong in a thread that must not block.
    """
    nonblocking.check_may_take_long()
    found = tx.execute(statement, values or {}, execution_options={"compiled_cache": None}).all()
    if tx.dialect.name == "sqlite":
        tx.detach()
    return list(found)


def commit(tx: sa.Connection) -> None:
    """Commit the transaction; closing the connection without a commit rolls it back. Raises SQLAlchemy's errors."""
    if tx.invalidated:
        raise sa.exc.PendingRollbackError("The connection was lost, and what was written with it")
    try:
        tx.connection.commit()
    except tx.dialect.loaded_dbapi.Error as error:
        raise _translated(tx, error, "COMMIT") from error


def _translated(tx: sa.Connection, error: Exception, text: str) -> BaseException:
    """Convert a driver error to the one that SQLAlchemy would raise; invalidate the connection if it was lost."""
    dialect: Any = tx.dialect
    is_lost = dialect.is_disconnect(error, tx.connection, None)
    if is_lost:
        tx.invalidate(error)
    return sa.exc.DBAPIError.instance(
        text,
        {},
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )


def row(values: Mapping[str, Any]) -> Record:
    """Return a row with these values, as statements return them."""
    found: Record = _row_class(tuple(values))._make(values.values())
    return found


@lru_cache
def _row_class(names: tuple[str, ...]) -> Any:
    made = namedtuple("Row", names, rename=True)  # type: ignore[misc]
    made._mapping = property(made._asdict)  # type: ignore[attr-defined]
    return made


@lru_cache
def by(table: sa.Table | sa.Subquery, *columns: str) -> Prepared:
    """Return a statement that selects rows by the values of these columns, in order of creation."""
    found = sa.select(table).where(*(table.c[name] == sa.bindparam(name) for name in columns))
    return Prepared(found.order_by(table.c.serial) if "serial" in table.c else found)


@lru_cache(1024)
def insert(table: sa.Table, *columns: str) -> Prepared:
    """Return a statement that inserts a row with values for these columns."""
    return Prepared(sa.insert(table), columns)


@lru_cache(1024)
def update(table: sa.Table, *columns: str) -> Prepared:
    """Return a statement that updates these columns of the row whose ID is `row_id`."""
    return Prepared(sa.update(table).where(table.c.id == sa.bindparam("row_id")), columns)
