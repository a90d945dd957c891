"""The database: SQLite by default, PostgreSQL by URL. Domain values in, domain values out.

with open_store("sqlite:///measurements.db") as store:
    number = store.repository.record(run)
"""

from bench.store.check import Report
from bench.store.imported import Imported, ImportedPoints
from bench.store.overview import Failure, Origin, Overview, StationConditions
from bench.store.reading import StoredRun
from bench.store.repository import Counts, Known, Repository
from bench.store.selection import Selection
from bench.store.store import Store, Upgrade, open_existing, open_store

__all__ = [
    "Counts",
    "Failure",
    "Imported",
    "ImportedPoints",
    "Known",
    "Origin",
    "Overview",
    "Report",
    "Repository",
    "Selection",
    "StationConditions",
    "Store",
    "StoredRun",
    "Upgrade",
    "open_existing",
    "open_store",
]
