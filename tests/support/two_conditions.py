"""A design of two conditions with their derivatives, drift and constant, as fits are tested with."""

from firstlevel.glm import design as designs
from firstlevel.io.event_table import Event


def matrix_of(n_scans):
    """Design (n, k) of a run at 2 s, with an event of either condition in turn every 6 s."""
    times = designs.frame_times(n_scans, 2.0, 0.0)
    events = [Event(6.0 * k, 1.0, "ab"[k % 2]) for k in range(35)]
    options = designs.DesignOptions("spm + derivative", "cosine", 0.01, -24, 50)
    return designs.design_matrix(times, events, options)[1]
