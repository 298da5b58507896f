"""Statements that are composed and compiled once, and then run by the database's driver itself.

SQLAlchemy takes ten times as long to compose, look up and dress up a statement as SQLite takes to run it. What every
request needs is therefore said once, in SQLAlchemy's words, and kept as the text that comes of it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from . import haste
from .snapshot import Record

Processor = Callable[[Any], Any]


class Prepared:
    """One statement, with a sa.bindparam for each value that differs from time to time.

    Values are given by the names of these; a column that has one of its name is set by it. Rows are tuples that have
    their columns as attributes, and all of them by name in _mapping. Errors of the driver are raised as SQLAlchemy's.
    """

    def __init__(self, statement: Any, columns: Sequence[str] | None = None) -> None:
        """columns: those that an INSERT or UPDATE sets, each by a value of its name."""
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def all(self, tx: sa.Connection, **values: Any) -> list[Record]:
        """Every row."""
        compiled = self._for(tx)
        return compiled.records(compiled.run(tx, values).fetchall())

    def first(self, tx: sa.Connection, **values: Any) -> Record | None:
        """The first row, if there is one."""
        compiled = self._for(tx)
        return next(iter(compiled.records(compiled.run(tx, values).fetchmany(1))), None)

    def one(self, tx: sa.Connection, **values: Any) -> Record:
        """The row that is known to exist. Raises sa.exc.NoResultFound."""
        row = self.first(tx, **values)
        if row is None:
            raise sa.exc.NoResultFound("No row was found when one was required")
        return row

    def scalar(self, tx: sa.Connection, **values: Any) -> Any:
        """The first column of the first row; None where there is none."""
        row = self.first(tx, **values)
        return None if row is None else row[0]

    def scalars(self, tx: sa.Connection, **values: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.all(tx, **values)]

    def run(self, tx: sa.Connection, **values: Any) -> int:
        """How many rows it has changed."""
        rows: int = self._for(tx).run(tx, values).rowcount
        return rows

    def run_each(self, tx: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Once for each of these values; PostgreSQL is sent all of them before its first answer is read."""
        self._for(tx).run_each(tx, rows)

    def _for(self, tx: sa.Connection) -> _Compiled:
        name = tx.dialect.name
        found = self._compiled.get(name)
        if found is None:
            found = self._compiled[name] = _Compiled(self._statement, self._columns, tx.dialect)
        return found


class _Compiled:
    """A statement in the words of one kind of database."""

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

    def _shape(self, columns: Iterable[Any], dialect: Any) -> None:
        """How rows look, and which of their values the driver does not give as they are."""
        listed = list(columns)
        self._make = _row_class(tuple(str(column.key) for column in listed))._make
        found = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in listed]
        self._readers = [(place, reader) for place, reader in enumerate(found) if reader is not None]

    def run(self, tx: sa.Connection, values: Mapping[str, Any]) -> Any:
        """The driver's cursor, behind the statement."""
        return execute(tx, self._text, self._bound(values))

    def run_each(self, tx: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        bound = [self._bound(values) for values in rows]
        if bound:
            execute_each(tx, self._text, bound)

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


def execute(tx: sa.Connection, text: str, values: Mapping[str, Any] | None = None) -> Any:
    """The driver's cursor, behind a statement in the database's own words. Raises SQLAlchemy's errors."""
    cursor = tx.connection.cursor()
    try:
        cursor.execute(text, values or {})
    except tx.dialect.loaded_dbapi.Error as error:
        raise _translated(tx, error, text, values) from error
    return cursor


def execute_each(tx: sa.Connection, text: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement with each of these values. Raises SQLAlchemy's errors."""
    try:
        tx.connection.cursor().executemany(text, rows)
    except tx.dialect.loaded_dbapi.Error as error:
        raise _translated(tx, error, text, rows[0]) from error


def once(tx: sa.Connection, statement: sa.Select[Any], values: Mapping[str, Any] | None = None) -> list[Any]:
    """The rows of a large statement that is not likely to come again: neither SQLAlchemy nor SQLite keeps it.

    SQLite keeps statements for each connection, so this one is closed at the end instead of being used again. Raises
    haste.WouldWait where there is no time.
    """
    haste.may_take_long()
    found = tx.execute(statement, values or {}, execution_options={"compiled_cache": None}).all()
    if tx.dialect.name == "sqlite":
        tx.detach()
    return list(found)


def commit(tx: sa.Connection) -> None:
    """Keep what was written; a connection that is closed without that is rolled back. Raises SQLAlchemy's errors."""
    if tx.invalidated:
        raise sa.exc.PendingRollbackError("The connection was lost, and what was written with it")
    try:
        tx.connection.commit()
    except tx.dialect.loaded_dbapi.Error as error:
        raise _translated(tx, error, "COMMIT", None) from error


def _translated(tx: sa.Connection, error: Exception, text: str, values: Mapping[str, Any] | None) -> BaseException:
    """The driver's error as SQLAlchemy would raise it; a connection that is lost is not used again."""
    dialect: Any = tx.dialect
    is_lost = dialect.is_disconnect(error, tx.connection, None)
    if is_lost:
        tx.invalidate(error)
    return sa.exc.DBAPIError.instance(
        text,
        dict(values or {}),
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )


@lru_cache
def _row_class(names: tuple[str, ...]) -> Any:
    made = namedtuple("Row", names, rename=True)  # type: ignore[misc]
    made._mapping = property(made._asdict)  # type: ignore[attr-defined]
    return made


@lru_cache
def by(table: sa.Table | sa.Subquery, *columns: str) -> Prepared:
    """Rows by the values of these columns, in the order of their creation."""
    found = sa.select(table).where(*(table.c[name] == sa.bindparam(name) for name in columns))
    return Prepared(found.order_by(table.c.serial) if "serial" in table.c else found)


@lru_cache(1024)
def insert(table: sa.Table, *columns: str) -> Prepared:
    """A new row with values of these columns."""
    return Prepared(sa.insert(table), columns)


@lru_cache(1024)
def update(table: sa.Table, *columns: str) -> Prepared:
    """New values of these columns in the row whose ID is `row_id`."""
    return Prepared(sa.update(table).where(table.c.id == sa.bindparam("row_id")), columns)
