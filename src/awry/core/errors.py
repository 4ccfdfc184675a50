"""The one exception tree; messages read "cannot <do> <what>: <cause>", hints say what to do.

AwryError
├── InvalidInput        what the caller sent is wrong; do not send it again unchanged      (HTTP 400)
│   ├── TooLarge        over a stated limit                                               (HTTP 413)
│   ├── UnsupportedMedia a content type or encoding nobody reads                           (HTTP 415)
│   ├── InvalidSelector a selector or series key that does not parse
│   └── InvalidConfig   a setting that is unknown or does not fit
├── NotFound            no such series, incident, rule…                                    (HTTP 404)
├── Conflict            it exists already, or changed meanwhile                            (HTTP 409)
├── Overloaded          a bounded queue is full; send again later                          (HTTP 429)
├── StoreError          the store refused
│   ├── StoreUnavailable  for now: disk full, database away; retried until it works        (HTTP 503)
│   ├── StoreCorrupt      the file is damaged
│   ├── StoreTooNew       written by a newer version
│   └── StoreInUse        another process holds it
├── CannotListen        an address that cannot be opened: port in use, no such host
└── Retry               a component asks to be called again later
"""

from __future__ import annotations


class AwryError(Exception):
    """Base of all errors of the project; `hint` says what to do about it."""

    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(hint)  # a notebook's traceback shows it


class InvalidInput(AwryError):
    """What the caller sent is wrong; sending it again unchanged will not help."""

    code = "invalid_input"


class TooLarge(InvalidInput):
    """Over a stated limit."""

    code = "too_large"


class UnsupportedMedia(InvalidInput):
    """A content type or content encoding nobody reads."""

    code = "unsupported_media_type"


class InvalidSelector(InvalidInput):
    """A selector or series key that does not parse."""

    code = "invalid_selector"


class InvalidConfig(InvalidInput):
    """A setting that is unknown or does not fit."""

    code = "invalid_config"


class NotFound(AwryError):
    """No such series, incident, rule or silence."""

    code = "not_found"


class Conflict(AwryError):
    """It exists already, or changed meanwhile."""

    code = "conflict"


class Overloaded(AwryError):
    """A bounded queue is full; send again after `after_seconds`."""

    code = "overloaded"

    def __init__(self, message: str, *, after_seconds: float = 1.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.after_seconds = after_seconds


class StoreError(AwryError):
    """The store refused."""

    code = "store_error"


class StoreUnavailable(StoreError):
    """The store cannot write for now (disk full, database away); retried until it works."""

    code = "store_unavailable"


class StoreCorrupt(StoreError):
    """The database file is damaged."""

    code = "store_corrupt"


class StoreTooNew(StoreError):
    """The database was written by a newer version of Awry."""

    code = "store_too_new"


class StoreInUse(StoreError):
    """Another process holds the data folder."""

    code = "store_in_use"


class CannotListen(AwryError):
    """An address that cannot be opened: port in use, no such host, not allowed."""

    code = "cannot_listen"


class Retry(AwryError):
    """A component asks to be entered or called again after `after_seconds`."""

    code = "retry"

    def __init__(self, message: str, *, after_seconds: float = 1.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.after_seconds = after_seconds
