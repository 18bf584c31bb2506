"""A table of records that admins add, change and delete, where something about each may be there only once, such as its name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from alcove.infra.database import Database
from alcove.kernel.errors import AlreadyExists, NotFound

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NamedRows(ABC, Generic[T]):
    """Records in the SQL database; a subclass says which table, and how a record and its row become each other.

    The table has the columns `id` and `created_at`, and one that is unique. What is in it belongs to the house, not to a person, so
    there is no owner to filter by; only admins reach these queries.
    """

    database: Database
    table: ClassVar[Table]

    @staticmethod
    @abstractmethod
    def row_of(record: T) -> dict[str, Any]:
        """Gives the values of a record's row; `id` among them."""

    @staticmethod
    @abstractmethod
    def record_of(row: RowMapping) -> T:
        """Gives a row's record."""

    @staticmethod
    @abstractmethod
    def taken(record: T) -> str:
        """Says that the record's name is taken, and what to do."""

    async def list(self) -> Sequence[T]:
        """Gives all, oldest first."""
        columns = self.table.c
        async with self.database.read() as connection:
            rows = await connection.execute(select(self.table).order_by(columns.created_at, columns.id))
            return [self.record_of(row) for row in rows.mappings()]

    async def add(self, record: T) -> None:
        """Adds one.

        Raises:
            AlreadyExists: When its name is taken.
        """
        try:
            async with self.database.write() as connection:
                await connection.execute(insert(self.table).values(**self.row_of(record)))
        except IntegrityError as error:
            raise AlreadyExists(self.taken(record)) from error

    async def update(self, record: T) -> None:
        """Replaces the one of the same id.

        Raises:
            AlreadyExists: When its name is taken.
            NotFound: When it is gone.
        """
        values = self.row_of(record)
        statement = update(self.table).where(self.table.c.id == values["id"]).values(**values)
        try:
            async with self.database.write() as connection:
                result = await connection.execute(statement)
        except IntegrityError as error:
            raise AlreadyExists(self.taken(record)) from error
        if result.rowcount == 0:
            raise NotFound

    async def delete(self, record_id: str) -> bool:
        """Deletes one; False when there was none."""
        async with self.database.write() as connection:
            result = await connection.execute(delete(self.table).where(self.table.c.id == record_id))
        return result.rowcount > 0
