"""Inserts that may meet a row with the same key."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.tables import Base


def insert_into(session: Session, table: type[Base]) -> Any:
    """One with ON CONFLICT, which every database says in its own dialect."""
    postgres = session.get_bind().dialect.name == "postgresql"
    return (postgresql.insert if postgres else sqlite.insert)(table)
