"""Connections to SQLite, PostgreSQL and MySQL/MariaDB, and what their errors mean to us; for the parts of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, exc, text
from sqlalchemy.engine import URL, make_url

from awry.core.errors import InvalidConfig, StoreCorrupt, StoreError, StoreInUse, StoreUnavailable
from awry.stores.lock import FolderLock

FILE_NAME = "awry.db"
_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql"}
_LOCK_NUMBER = 0x41777279  # "Awry"
TRIED_AGAIN = "it is tried again by itself"
AWAY_AT_START = "start the database, or correct [store] url"
_DAMAGED = ("malformed", "not a database", "unsupported file format")


def database_url(target: str | Path) -> URL:
    """URL of a database from a URL, a file (.db, .sqlite) or a data folder (which holds awry.db). Raises InvalidConfig."""
    if isinstance(target, str) and "://" in target:
        try:
            url = make_url(target)
        except (exc.ArgumentError, ValueError) as error:
            raise InvalidConfig("cannot read the store's URL", hint="write sqlite:///FILE, postgresql://… or mysql://…") from error
        name = _DRIVERS.get(url.drivername, url.drivername)
        if name.startswith("mysql"):
            url = url.update_query_dict({"charset": "utf8mb4"})
        if not name.startswith(("sqlite", "postgresql", "mysql")):
            raise InvalidConfig(f"cannot use {name} as a store", hint="use sqlite, postgresql or mysql")
        return url.set(drivername=name)
    path = Path(target)
    if not path.is_file() and path.suffix not in _SUFFIXES:
        path = path / FILE_NAME
    return URL.create("sqlite", database=str(path))


@contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Errors of the database as ours: StoreCorrupt, StoreUnavailable (try again) or StoreError (a defect)."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _translate(doing, error.orig if error.orig is not None else error, error) from error
    except (exc.TimeoutError, sqlite3.Error, OSError) as error:
        raise _translate(doing, error, error) from error


@contextmanager
def once() -> Iterator[None]:
    """For what is not tried again by itself: a database that is away is to be started."""
    try:
        yield
    except StoreUnavailable as error:
        raise StoreUnavailable(error.message, hint=error.hint.replace(TRIED_AGAIN, AWAY_AT_START)) from error


def _translate(doing: str, cause: BaseException, error: BaseException) -> StoreError:
    words = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    message = f"cannot {doing}: {words}"
    if any(word in words for word in _DAMAGED):
        return StoreCorrupt(message, hint="restore the database from a backup, or start with an empty data folder")
    if isinstance(error, exc.IntegrityError | exc.ProgrammingError | exc.DataError | exc.NotSupportedError):
        return StoreError(message)
    if "readonly" in words:
        return StoreUnavailable(message, hint="make the database file and its folder writable for this user")
    if "unable to open" in words:
        return StoreUnavailable(message, hint="make the database file and its folder readable and writable for this user")
    if "full" in words or "space" in words:
        return StoreUnavailable(message, hint="free some disk space; writing goes on by itself")
    return StoreUnavailable(message, hint=TRIED_AGAIN)


class Database:
    """One database: the writer's connection, held and locked, and a pool of readers' connections."""

    def __init__(self, url: URL, *, synchronous: str = "FULL") -> None:
        self.url = url
        self.sqlite = url.get_backend_name() == "sqlite"
        self.path = Path(url.database or FILE_NAME) if self.sqlite else None
        self._synchronous = synchronous
        self._lock = FolderLock(self.path) if self.path else None
        self._writer: Connection | None = None
        self._held = False
        try:
            arguments: dict[str, Any] = {"check_same_thread": False, "timeout": 5.0} if self.sqlite else {}
            self._write_engine = create_engine(url, connect_args=arguments, pool_size=1, max_overflow=0)
            self._read_engine = create_engine(
                url, connect_args=arguments, pool_size=4, max_overflow=12, pool_pre_ping=not self.sqlite
            )
        except ImportError as error:
            extra = _EXTRAS[url.get_backend_name()]
            raise InvalidConfig(f"cannot use {url.drivername}: {error}", hint=f'pip install "awry[{extra}]"') from error
        if self.sqlite:
            event.listen(self._write_engine, "connect", self._prepare_writer)
            event.listen(self._read_engine, "connect", _prepare_reader)
            event.listen(self._write_engine, "begin", _begin_immediate)
            event.listen(self._read_engine, "begin", _begin)

    @property
    def dialect(self) -> str:
        """ "sqlite", "postgresql" or "mysql"."""
        return self.url.get_backend_name()

    def lock(self) -> None:
        """Keep other servers out. Raises StoreInUse, and StoreCorrupt for a file that is something else."""
        if self.path:
            _check_head(self.path)
        if self._lock:
            self._lock.acquire()

    @contextmanager
    def write(self, doing: str) -> Iterator[Connection]:
        """One transaction of the writer: committed at the end, or nothing happened. After an error the connection is made anew."""
        with guarded(doing):
            try:
                connection = self._connection()
                with connection.begin():
                    yield connection
            except BaseException:
                self.drop()
                raise

    @contextmanager
    def read(self, doing: str) -> Iterator[Connection]:
        """A consistent view for reading, in any thread."""
        with guarded(doing), self._read_engine.connect() as connection:
            yield connection

    @contextmanager
    def moment(self, doing: str) -> Iterator[Connection]:
        """As `read`, but everything is read as it stood when the first of it was, however long that takes."""
        with once(), guarded(doing), self._read_engine.connect() as connection:
            if not self.sqlite:  # whose transactions are so anyway
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def vacuum(self) -> None:
        """Rewrite an SQLite file without holes, and empty its write-ahead log."""
        with guarded("rewrite the database file"):
            raw = self._connection().connection.driver_connection
            assert raw is not None
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def drop(self) -> None:
        """Forget the writer's connection; the next use makes one."""
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        """Close all connections and give the lock back; may be called twice."""
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.close()
        self._read_engine.dispose()
        self._write_engine.dispose()
        if self._lock:
            self._lock.release()

    def _connection(self) -> Connection:
        if self._writer is None:
            connection = self._write_engine.connect()
            try:
                self._lock_session(connection)
            except BaseException:
                connection.close()
                raise
            self._writer = connection
        return self._writer

    def _lock_session(self, connection: Connection) -> None:
        if self.sqlite:
            return
        if self.dialect == "postgresql":
            query = text("SELECT pg_try_advisory_lock(:number, hashtext(current_database() || '/' || current_schema()))")
            held = connection.execute(query, {"number": _LOCK_NUMBER}).scalar()
        else:
            held = connection.execute(text("SELECT GET_LOCK(CONCAT('awry/', LEFT(DATABASE(), 58)), 0)")).scalar()
        connection.commit()
        if not held and self._held:  # the server has not noticed yet that our former session ended
            raise StoreUnavailable("cannot lock the database again after reconnecting", hint="it is tried again by itself")
        if not held:
            name = self.url.render_as_string(hide_password=True)
            raise StoreInUse(f"cannot open {name}: another server is using it", hint="stop that server, or use another database")
        self._held = True

    def _prepare_writer(self, connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        run = connection.execute
        run("PRAGMA page_size=8192")
        run("PRAGMA auto_vacuum=INCREMENTAL")
        run("PRAGMA journal_mode=WAL")
        run(f"PRAGMA synchronous={self._synchronous}")
        run("PRAGMA cache_size=-16384")
        run("PRAGMA journal_size_limit=67108864")


def _check_head(path: Path) -> None:
    """SQLite takes any very short file for an empty database and would write over it; we do not."""
    try:
        head = path.read_bytes()[:16] if path.is_file() and path.stat().st_size < 4096 else b""
    except OSError:
        return  # opening it says why
    if head and head != b"SQLite format 3\0":
        raise StoreCorrupt(
            f"cannot open {path}: the file is not a database",
            hint="give the folder of the database, or restore the database from a backup",
        )


def _prepare_reader(connection: Any, record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=1")
    connection.execute("PRAGMA cache_size=-8192")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
