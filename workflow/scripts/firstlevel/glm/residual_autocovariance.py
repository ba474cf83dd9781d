"""Autocovariance of noise from that of the residuals that a design leaves of it. Arrays only.

Symbols: n scans, r rank of the design, Q (n, r) its orthonormal basis, q lags, G kinds of noise.
"""

from __future__ import annotations

import numpy as np

from firstlevel.arrays import FloatArray
from firstlevel.glm.autoregression import Processes, levinson
from firstlevel.glm.residual_sums import padded_length

N_TIMES = 8
"""Repetitions, in which lags beyond q follow from those within, and these from what is left of the sums."""
LARGEST_PARTIAL = 0.99
"""Meanwhile, of partial autocorrelations: what is too strong then need not be so at the end."""
LARGEST_CONDITION = 1e6
"""Condition of the equations from which on so few degrees of freedom do not say what the noise was."""


def expected_sums(basis: FloatArray, n_lags: int) -> FloatArray:
    """M, (q + 1, n): sums over time of e_t e_{t+k} of residuals are on average M gamma, gamma of the noise.

    Parameters
    ----------
    basis : Q, (n, r).
    n_lags : q.

    Notes
    -----
    With R = I - QQ', D_k the mean of the shifts by k to either side, and C_l = 1 where indices differ by l,
    the sums are e'D_k e, and M_kl = tr(R D_k R C_l), a sum over diagonals. As R D_k R = D_k - QH' - HQ' with
    H = D_k Q - Q (Q'D_k Q) / 2, these are correlations of columns, by FFT: no (n, n) matrix is made.
    """
    n_scans = len(basis)
    length = padded_length(n_scans)
    of_basis = np.conj(np.fft.rfft(basis, length, axis=0))
    found = np.zeros((n_lags + 1, n_scans))
    for k in range(n_lags + 1):
        shifted = np.zeros_like(basis)
        shifted[: n_scans - k] += basis[k:] / 2
        shifted[k:] += basis[: n_scans - k] / 2
        other = shifted - basis @ (basis.T @ shifted) / 2
        across = np.einsum("fr,fr->f", of_basis, np.fft.rfft(other, length, axis=0)).real
        # the sum over the diagonal l of QH' + HQ' and that over -l are equal
        found[k] = -2 * np.fft.irfft(across, length)[:n_scans]
        found[k, k] += (n_scans - k) / (1 if k == 0 else 2)
    found[:, 1:] *= 2
    return found


def noise_processes(sums: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients and partial autocorrelations, (G, q), of noise whose residuals have those sums.

    Parameters
    ----------
    sums : (G, q + 1), of e_t e_{t+k} over time.
    expected : M, (q + 1, n), of :func:`expected_sums`.

    Notes
    -----
    gamma within q solves M gamma = sums, where gamma beyond is that of the AR(q) process found so far. All is
    NaN where M does not determine it.
    """
    n_lags = sums.shape[1] - 1
    within, beyond = expected[:, : n_lags + 1], expected[:, n_lags + 1 :]
    if not np.linalg.cond(within) < LARGEST_CONDITION:
        nothing = np.full((len(sums), n_lags), np.nan)
        return nothing, nothing
    inverse = np.linalg.inv(within)
    plain = sums @ inverse.T
    gamma = plain
    for _ in range(N_TIMES):
        coefficients, _ = levinson(gamma, LARGEST_PARTIAL)
        acf = Processes(coefficients).autocorrelations(expected.shape[1] - 1)
        tail = (acf[:, n_lags + 1 :] @ beyond.T) @ inverse.T
        gamma = plain - (plain[:, :1] / (1 + tail[:, :1])) * tail
    return levinson(gamma)
