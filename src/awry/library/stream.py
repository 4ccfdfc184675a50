"""`awry.Stream`: columns of samples in, columns of scores out, with a state that can be kept; for programs of one's own."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from awry.core.batch import Batch, Scored
from awry.core.errors import InvalidInput
from awry.core.kernel import kernel
from awry.core.protocols import Judge
from awry.core.tick import REASONS
from awry.library.detect import COLUMNS
from awry.library.judges import local_judge, make_judge

_FORMAT = 1
_NEVER = np.iinfo(np.int64).min
_DUPLICATE, _LATE, _INFINITE = (REASONS.index(r) for r in ("duplicate", "late", "infinite"))


class Stream:
    """Scores samples as they arrive, then learns from them.

    The scores are those of `awry.detect` on the same samples, however the stream is cut.

    Parameters
    ----------
    detector : str, optional
        Name of a detector, as for `awry.detect`.
    time_zone, holidays : str, optional
        Where the series live, as for `awry.detect`: "Europe/Berlin", "DE".
    make_judge : callable, optional
        Makes the judge for a detector's name; for judges of one's own.

    Attributes
    ----------
    refused : dict
        Reason -> samples refused so far: "late" (older than the newest of its series), "duplicate" (the same time again),
        "infinite".

    Examples
    --------
    >>> import awry
    >>> stream = awry.Stream()
    >>> for minute in range(600):
    ...     out = stream.push(["web", "db"], minute * 60_000, [minute % 10, 5.0])
    >>> spike = stream.push("web", 600 * 60_000, 500.0)
    >>> bool(spike["score"][0] > 0.3)
    True
    >>> again = awry.Stream.load(stream.dump())
    >>> again.series
    ['web', 'db']
    """

    def __init__(
        self,
        *,
        detector: str = "default",
        time_zone: str = "UTC",
        holidays: str = "",
        make_judge: Callable[[str], Judge] = make_judge,
    ) -> None:
        self._detector, self._place = detector, (time_zone, holidays)
        self._judge = local_judge(lambda: make_judge(detector), time_zone, holidays)()
        self._slot: dict[str, int] = {}
        self._newest = np.zeros(0, np.int64)
        self.refused: dict[str, int] = {}

    @property
    def series(self) -> list[str]:
        """Keys seen so far, in order of first sight."""
        return list(self._slot)

    def push(self, series: str | Sequence[str], time: ArrayLike, value: ArrayLike) -> dict[str, NDArray[Any]]:
        """Score samples, in the order given; times must rise within a series.

        Parameters
        ----------
        series : str or sequence of str
            Key of each sample; one text for all of them.
        time : int array or scalar
            Unix milliseconds, or datetime64; one for all of them.
        value : float array or scalar
            NaN means "no observation": nothing is learned, no score, time goes on.

        Returns
        -------
        dict of arrays
            One row per sample given, with the columns of `awry.detect`; a refused sample has NaN for everything that is
            thought of it, and is counted in `refused`.
        """
        keys, times, values = _columns(series, time, value)
        slot = np.fromiter((self._slot.setdefault(key, len(self._slot)) for key in keys), np.int32, len(keys))
        self._grow(len(self._slot))
        reason = np.zeros(len(keys), np.uint8)
        _admit(slot, times, values, self._newest, reason, _DUPLICATE, _LATE, _INFINITE)
        for code, count in zip(*np.unique(reason[reason > 0], return_counts=True), strict=True):
            self.refused[REASONS[code]] = self.refused.get(REASONS[code], 0) + int(count)
        fit = reason == 0
        batch = Batch(slot, times, values)
        scored = self._judge.step(batch) if fit.all() else _spread(self._judge.step(batch.take(fit)), fit)
        part = np.array(self._judge.parts, dtype=object)[scored.part]
        thought = (scored.expected, scored.low, scored.high, scored.raw, scored.score, scored.segment, part)
        return dict(zip(COLUMNS, (np.array(keys, dtype=object), times, values, *thought), strict=True))

    def dump(self) -> bytes:
        """All state: `load` goes on from it bit for bit. An .npz archive, without pickle."""
        about = {"format": _FORMAT, "detector": self._detector, "series": self.series, "refused": self.refused}
        about |= {"place": self._place}
        out = io.BytesIO()
        arrays = {f"judge/{name}": array for name, array in self._judge.dump(0, len(self._slot)).items()}
        np.savez(
            out,
            allow_pickle=False,
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            newest=self._newest[: len(self._slot)],
            **arrays,
        )
        return out.getvalue()

    @classmethod
    def load(cls, data: bytes, *, make_judge: Callable[[str], Judge] = make_judge) -> Self:
        """The stream that `dump` saved. Raises InvalidInput for anything else."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                arrays: Mapping[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
            about = json.loads(bytes(arrays["about"]))
            if about["format"] != _FORMAT:
                raise InvalidInput(f"cannot load a stream of format {about['format']}", hint=f"this version reads format {_FORMAT}")
            time_zone, holidays = about.get("place", ("UTC", ""))
            stream = cls(detector=about["detector"], time_zone=time_zone, holidays=holidays, make_judge=make_judge)
            stream._slot = {key: slot for slot, key in enumerate(about["series"])}
            stream.refused = dict(about["refused"])
            stream._newest = arrays["newest"].copy()
            if stream._slot:
                stream._judge.load({name[6:]: array for name, array in arrays.items() if name.startswith("judge/")}, 0)
        except (ValueError, KeyError, EOFError, OSError, TypeError, zipfile.BadZipFile) as error:
            raise InvalidInput(f"cannot load a stream: {error}", hint="give the bytes that Stream.dump returned") from error
        return stream

    def _grow(self, series: int) -> None:
        have = len(self._newest)
        if series > have:
            room = max(series, have * 2)
            self._newest = np.append(self._newest, np.full(room - have, _NEVER))
            self._judge.grow(room)


def _columns(
    series: str | Sequence[str], time: ArrayLike, value: ArrayLike
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64]]:
    times = np.atleast_1d(np.asarray(time))
    if times.dtype.kind == "M":
        times = times.astype("datetime64[ms]")
    elif times.dtype.kind not in "iu" and times.size:
        raise InvalidInput(f"cannot read times of type {times.dtype}", hint="give integer Unix milliseconds or datetime64")
    try:
        values = np.atleast_1d(np.asarray(value, np.float64))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"cannot read the values: {error}", hint="give numbers; NaN where there is none") from error
    named = None if isinstance(series, str) else list(series)
    lengths = {len(times), len(values)} | (set() if named is None else {len(named)})
    n = 0 if 0 in lengths else max(lengths)
    if lengths - {n, 1} or (named is not None and len(named) != n):
        raise InvalidInput(
            f"cannot push columns of different lengths: {'one' if named is None else len(named)} series, "
            f"{len(times)} times, {len(values)} values"
        )
    keys = [str(series)] * n if named is None else [str(key) for key in named]
    return keys, _wide(times.astype(np.int64), n), _wide(values, n)


def _wide(column: NDArray[Any], n: int) -> NDArray[Any]:
    return np.ascontiguousarray(np.broadcast_to(column, n) if n else column[:0])


@kernel
def _admit(
    slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64], newest: NDArray[np.int64],
    reason: NDArray[np.uint8], duplicate: int, late: int, infinite: int,
) -> None:  # fmt: skip
    """Write why each row (n,) is refused into `reason`, 0 where it is not; `newest` (slots,) is the last time let in, moved on."""
    for i in range(slot.shape[0]):
        last = newest[slot[i]]
        if np.isinf(value[i]):
            reason[i] = infinite
        elif time[i] == last:
            reason[i] = duplicate
        elif time[i] < last:
            reason[i] = late
        else:
            newest[slot[i]] = time[i]


def _spread(part: Scored, fit: NDArray[np.bool_]) -> Scored:
    out = Scored.blank(len(fit))
    out.put(fit, part)
    return out
