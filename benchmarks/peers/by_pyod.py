"""Peers from pyod on windows of 20 samples: fitted before scoring begins (causal), or on the whole series (batch).

ECOD and COPOD have no causal form: pyod's decision_function ranks every tested window among all that are tested with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.lof import LOF
from pyod.models.pca import PCA

from benchmarks.peers.columns import Floats, Peer, Times, centred, ending_at, standard, thinned

Make = Callable[[], Any]


def causal(make: Make) -> Callable[[Times, Floats, int], Floats]:
    """Fitted once, on the windows that end before `scored_from`."""

    def column(time_ms: Times, x: Floats, scored_from: int) -> Floats:
        rows = ending_at(standard(x, slice(0, scored_from)))
        model = make().fit(thinned(rows[:scored_from]))
        return model.decision_function(rows)

    return column


def batch(make: Make) -> Callable[[Times, Floats, int], Floats]:
    """Fitted on the windows of the whole series."""

    def column(time_ms: Times, x: Floats, scored_from: int) -> Floats:
        rows = ending_at(standard(x, slice(None)))
        return make().fit(thinned(rows)).decision_function(rows)

    return column


def whole(make: Make) -> Callable[[Times, Floats, int], Floats]:
    """Fitted on all windows of the series without thinning, for models that rank a window among all."""

    def column(time_ms: Times, x: Floats, scored_from: int) -> Floats:
        return make().fit(ending_at(standard(x, slice(None)))).decision_scores_

    return column


def iforest() -> Any:
    return IForest(n_estimators=100, random_state=1)


def lof() -> Any:
    return LOF(n_neighbors=20, novelty=True)


PEERS = [
    Peer("pyod IForest, fitted before", True, causal(iforest)),
    Peer("pyod LOF, fitted before", True, causal(lof)),
    Peer("pyod HBOS, fitted before", True, causal(HBOS)),
    Peer("pyod IForest", False, batch(iforest), around=centred),
    Peer("pyod LOF", False, batch(lof), around=centred),
    Peer("pyod HBOS", False, batch(HBOS), around=centred),
    Peer("pyod ECOD", False, whole(ECOD), around=centred),
    Peer("pyod COPOD", False, whole(COPOD), around=centred),
    Peer("pyod Sub-PCA", False, whole(PCA), around=centred),
]
