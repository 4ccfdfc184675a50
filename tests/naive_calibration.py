"""The slow, obvious twin of calibration: onsets, episodes, their rates and the combination of channels, in plain Python lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

RISE = math.log(2)
FADE = math.exp(-1 / 16)


class Onsets:
    """The memory of the last onset of one strength: it holds for `hold` samples after the last one near it, then fades."""

    def __init__(self, hold: int = 10) -> None:
        self.hold = hold
        self.memory: float | None = None
        self.waited = 0

    def tells(self, v: float) -> bool:
        """Whether v begins something new."""
        if self.memory is None or v > self.memory + RISE:
            self.memory, self.waited = v, 0
            return True
        if v > self.memory - RISE:
            self.waited = 0
        elif self.waited < self.hold:
            self.waited += 1
        else:
            self.memory *= FADE
        return False


def onsets(strengths: Sequence[float], hold: int = 10) -> tuple[list[float], list[float]]:
    """Each strength where it begins something, else 0; and the largest of all strengths so far, faded by their age."""
    memory = Onsets(hold)
    emitted = [v if memory.tells(v) else 0.0 for v in strengths]
    segment = [max(strengths[j] * FADE ** (i - j) for j in range(i + 1)) for i in range(len(strengths))]
    return emitted, segment


class Episodes:
    """One channel of one series: the open episode, and how many closed ones reached each of 48 edges."""

    def __init__(self, fade: float = FADE) -> None:
        self.onsets = Onsets()
        self.fade = fade
        self.open: list[float] = []
        self.segment = 0.0
        self.reached = [0] * 48

    def learn(self, v: float) -> bool:
        """Whether v is an onset. An episode is over once the memory of its onsets has faded below half of the largest."""
        began = self.onsets.tells(v)
        if began and v > 0:
            self.open.append(v)
        memory = self.onsets.memory
        assert memory is not None
        if self.open and memory < max(self.open) - RISE:
            for k in range(48):
                self.reached[k] += max(self.open) >= k * 0.2
            self.open = []
        self.segment = max(self.fade * self.segment, v)
        return began

    def goes_on(self, v: float) -> bool:
        """Whether v continues the open episode."""
        memory = self.onsets.memory
        return bool(self.open) and memory is not None and memory >= max(self.open) - RISE and v > memory - RISE

    def count(self, most: float) -> None:
        """One episode of this largest strength."""
        for k in range(48):
            self.reached[k] += min(int(most / 0.2), 47) >= k

    def p(self, v: float, seen: int, log_prior: Sequence[float], weight: float) -> float:
        """(c + A) / (N + A / G0) for episodes at or above v, between edges in proportion; 1 where the prior says every one is."""
        if v <= 0:
            return 1.0
        k = min(int(v / 0.2), 47)
        part = v / 0.2 - k
        if log_prior[k] >= 0:
            return 1.0
        count = self.reached[k] if k == 47 else (1 - part) * self.reached[k] + part * self.reached[k + 1]
        pooled = math.exp(max((1 - part) * log_prior[k] + part * log_prior[k + 1], -40))
        return min(1.0, (count + weight) / (seen + weight / pooled))


def score_of(p: float) -> float:
    """min(1, -log10(p) / 10), to four digits."""
    return math.floor(10_000 * min(1.0, -math.log10(max(p, 1e-12)) / 10) + 0.5) / 10_000


def calibrate(
    strengths: Sequence[Sequence[float]],
    log_prior: Callable[[int], Sequence[Sequence[float]]],
    *,
    channels: Sequence[Sequence[float]],
    fades: Sequence[float],
    apart: Sequence[bool] = (),
    mix: Sequence[float],
    hold: int,
    marked: bool,
    weight: float,
    combined: float,
    halve_at: int = 40_000,
) -> list[tuple[float, float, float]]:
    """raw, score and segment of each row of one series' strengths (heads).

    log_prior: samples scored so far -> curves of each channel and of their combination. channels: weights of the heads in each.
    apart: channels that are not part of the combination: three quarters of a promise are its, they share the rest.
    weight: the prior's, in episodes. combined: strength per natural logarithm of the least p.
    """
    each = [Episodes(fade) for fade in fades]
    together = Episodes()
    told = Onsets(hold)
    seen = age = 0
    rows = []
    for row in strengths:
        if math.isnan(row[0]):
            rows.append((math.nan, math.nan, math.nan))
            continue
        curves = log_prior(age)
        at_onsets, held, own, own_held = [1.0], [1.0], [1.0], [1.0]
        turn, lasting = seen % 256 == 255, False
        alone = apart or [False] * len(channels)
        share, rest = (0.75, 0.25 / sum(alone)) if any(alone) else (1.0, 1.0)
        for channel, weights, curve, is_apart in zip(each, channels, curves, alone, strict=False):
            v = sum(w * x for w, x in zip(weights, row, strict=True))
            p = channel.p(v, seen, curve, weight)
            p_held = channel.p(max(channel.fade * channel.segment, v), seen, curve, weight)
            (own_held if is_apart else held).append(p_held / rest if is_apart else p_held)
            most = max(channel.open) if turn and channel.goes_on(v) else 0.0
            if channel.learn(v):
                (own if is_apart else at_onsets).append(p / rest if is_apart else p)
            if most > 0:
                channel.count(most)
                lasting = lasting or not is_apart
        v, v_held = (-combined * math.log(max(min(ps), 1e-12)) for ps in (at_onsets, held))
        score = score_of(min(*own, together.p(v, seen, curves[-1], weight) / share))
        segment = max(score, score_of(min(*own_held, together.p(v_held, seen, curves[-1], weight) / share)))
        if lasting:
            together.count(v_held)
        together.learn(v)
        raw = sum(w * x for w, x in zip(mix, row, strict=True))
        began = told.tells(raw)
        rows.append((raw if began or not marked else 0.0, score, segment))
        seen, age = seen + 1, age + 1
        if seen >= halve_at:
            seen //= 2
            for channel in (*each, together):
                channel.reached = [c // 2 for c in channel.reached]
    return rows
