"""After how many steps a series repeats itself, where no calendar says so: from its autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.lab.stats.measures import Floats

LONGEST = 400
"""Most steps of a season that is looked for."""
STRONG = 0.3
"""Autocorrelation from which on a series is said to repeat itself; of noise it stays below 2 / sqrt(values)."""


def autocorrelation(values: Floats, longest: int) -> Floats:
    """Autocorrelation at lags 0 to `longest`, (longest + 1,), of values (n,) with NaN for gaps.

    Sums are over pairs that are both known, each as a share of the variance, by the Fourier transform.
    """
    known = np.isfinite(values)
    centred = np.where(known, values - values[known].mean(), 0.0) if known.any() else np.zeros(len(values))
    size = 1 << (2 * len(values) - 1).bit_length()

    def sums(x: Floats) -> Floats:
        power = np.abs(np.fft.rfft(x, size)) ** 2
        found: Floats = np.fft.irfft(power, size)[: longest + 1]
        return found

    pairs = np.maximum(np.round(sums(known.astype(np.float64))), 1.0)
    covariance = sums(centred) / pairs
    if not covariance[0] > 0.0:
        return np.zeros(longest + 1)
    found: Floats = covariance / covariance[0]
    return found


def season_of(series: Sequence[Floats], longest: int = LONGEST) -> int:
    """Steps from one season to the next, 0 where nothing repeats itself.

    series: values of each series in order, NaN for gaps. The highest peak of the mean autocorrelation of changes from
    step to step (which takes a trend away), at least 0.3, with three seasons at hand; of peaks about as high, the
    first, as a season repeats at its multiples.

    >>> season_of([np.tile([1.0, 5.0, 2.0, 0.0, 1.0], 20)])
    5
    """
    usable = [one for one in series if np.isfinite(one).sum() >= 12]
    if not usable:
        return 0
    longest = min(longest, min(len(one) for one in usable) // 3)
    if longest < 2:
        return 0
    mean = np.mean([autocorrelation(np.diff(one), longest) for one in usable], axis=0)
    inner = np.arange(2, longest + 1)
    after = np.append(mean[3:], -1.0)
    peaks = inner[(mean[2:] >= mean[1:-1]) & (mean[2:] >= after) & (mean[2:] >= STRONG)]
    if not len(peaks):
        return 0
    best = mean[peaks].max()
    return int(peaks[mean[peaks] >= 0.9 * best][0])
