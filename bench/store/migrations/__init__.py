"""Alembic migrations: one file per revision in ``versions``; a new one is also named in ``bench.store.schema.REVISIONS``."""
