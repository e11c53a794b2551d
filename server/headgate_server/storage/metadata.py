"""What all tables are made with: names of constraints, the type of texts, indexes of what is present."""

from typing import Any, Final

from sqlalchemy import MetaData, Text, text

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# PostgreSQL: the C collation compares bytes, which is fast and orders text by code point as SQLite does.
Words: Final = Text().with_variant(Text(collation="C"), "postgresql")


def present(column: str) -> dict[str, Any]:
    """Return the options of an index that leaves out rows without this column."""
    condition = text(f"{column} IS NOT NULL")
    return {"sqlite_where": condition, "postgresql_where": condition}
