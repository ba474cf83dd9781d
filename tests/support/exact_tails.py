"""Make exact_tails.tsv: logarithms of tails of t and F, and the z with the same tail, to 20 digits.

Needs mpmath, which is no part of the environments: ``pip install mpmath``, then ``python exact_tails.py``.
Each tail is computed in two ways, with 35 digits, that have to agree to 22: by a continued fraction, and by
integrating the density.
"""

from pathlib import Path

import mpmath as mp

mp.mp.dps = 35
DOF = (1, 2, 7.5, 30, 100, 766, 10_000, 1_000_000)
T = (0.001, 0.5, 2, 5, 8, 20, 29.5, 33, 37, 38.5, 60, 400, 1e4, 1e6)
Q = (1, 2, 7, 50)
F = (0.01, 0.5, 1, 3, 10, 14.5, 30, 100, 300, 1e3, 1e4, 1e6)


def by_fraction(a, b, ratio):
    """Logarithm of I_x(a, b), x = 1 / (1 + ratio) below its mean. Abramowitz and Stegun 26.5.8."""
    x, rest = 1 / (1 + ratio), ratio / (1 + ratio)
    fraction = mp.mpf(1)
    for m in range(3000, 0, -1):
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + even / (1 + odd / fraction)
    fraction = 1 - (a + b) * x / (a + 1) / fraction
    return a * mp.log(x) + b * mp.log(rest) - mp.log(a) - log_beta(a, b) - mp.log(fraction)


def by_integral(a, b, ratio):
    """The same, from the density of u = log((1 - x) / x), whose logarithm is concave."""
    start = mp.log(ratio)
    slope = abs(b - (a + b) * ratio / (1 + ratio))
    width = 1 / mp.sqrt(a * b / (a + b))  # of the mode
    step = 1 / (1 / width + slope) / 4
    edges = [start + step * k for k in range(0, 16)]
    while edges[-1] - start < 100 * max(width, 1 / min(a, b)):
        edges.append(start + (edges[-1] - start) * mp.mpf("1.5"))
    peak = b * start - (a + b) * mp.log(1 + ratio)
    whole = mp.quad(lambda u: mp.exp(b * u - (a + b) * mp.log(1 + mp.exp(u)) - peak), edges)
    return peak + mp.log(whole) - log_beta(a, b)


def log_beta(a, b):
    """Logarithm of B(a, b)."""
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def smaller_tail(a, b, ratio):
    """Logarithm of the tail that lies beyond the mean, and whether that is the upper one."""
    upper = ratio / (1 + ratio) > b / (a + b)
    beyond = (a, b, ratio) if upper else (b, a, 1 / ratio)
    found, again = by_fraction(*beyond), by_integral(*beyond)
    assert abs(found - again) < mp.mpf(10) ** -22 * max(1, abs(found)), (a, b, ratio, found, again)
    return found, upper


def quantile(logarithm):
    """Return the z whose upper tail has this logarithm, above 0 where that is less than 1/2."""
    guess = mp.sqrt(-2 * logarithm) if logarithm < -5 else mp.mpf(1)
    return mp.findroot(
        lambda z: mp.log(mp.erfc(z / mp.sqrt(2)) / 2) - logarithm, guess, tol=mp.mpf(10) ** -50
    )


def main():
    """Write the table beside this file."""
    rows = []
    for dof in map(mp.mpf, DOF):
        for t in map(mp.mpf, T):
            logarithm, upper = smaller_tail(dof / 2, mp.mpf("0.5"), t * t / dof)
            if not upper:  # |t| is small: what is left of it is the other tail
                logarithm = mp.log1p(-mp.exp(logarithm))
            rows.append(("t", t, 1, dof, logarithm - mp.log(2)))
        for q in map(mp.mpf, Q):
            for f in map(mp.mpf, F):
                logarithm, upper = smaller_tail(dof / 2, q / 2, q * f / dof)
                rows.append(("F" if upper else "lower F", f, q, dof, logarithm))
    lines = ["statistic\tvalue\tq\tdof\tlog_tail\tz"]
    for name, value, q, dof, logarithm in rows:
        z = quantile(logarithm) * (-1 if name == "lower F" else 1)
        numbers = (
            *(repr(float(number)) for number in (value, q, dof)),
            mp.nstr(logarithm, 20),
            mp.nstr(z, 20),
        )
        lines.append("\t".join((name, *numbers)))
    Path(__file__).with_suffix(".tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
