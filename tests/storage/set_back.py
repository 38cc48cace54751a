"""A lake that was made longer ago than the test takes: its catalog's times set back."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import psycopg

from storage.settings import Settings

_TIMES = {"ducklake_snapshot": "snapshot_time", "ducklake_files_scheduled_for_deletion": "schedule_start"}


def set_back(settings: Settings, by: timedelta) -> None:
    """Make every snapshot of the lake, and every file's being scheduled for removal, so much older."""
    seconds = by.total_seconds()
    if settings.catalog != "sqlite":
        with psycopg.connect(settings.catalog) as catalog:
            for table, column in _TIMES.items():
                catalog.execute(f"UPDATE {table} SET {column} = {column} - %s * interval '1 second'", [seconds])
        return
    with closing(sqlite3.connect(settings.catalog_file, timeout=60)) as catalog:
        for table, column in _TIMES.items():
            # Of '2026-11-21 15:20:05.843268+00', whose fraction may be shorter, SQLite takes all but the zone.
            moment = f"substr({column}, 1, instr({column}, '+') - 1)"
            earlier = f"strftime('%Y-%m-%d %H:%M:%f+00', {moment}, '-{seconds} seconds')"
            catalog.execute(f"UPDATE {table} SET {column} = {earlier}")
        catalog.commit()
