"""Events of a run, from SPM conditions and from tables."""

import numpy as np
import pytest
import scipy.io
from with_headers import write_run_events

from firstlevel.io import event_table
from firstlevel.stage import InputError


def spm_conditions(path, **variables):
    names = np.array(["faces", "scrambled"], dtype=object)
    onsets = np.empty(2, dtype=object)
    onsets[:] = [np.array([1.0, 7.5]), np.array([4.0])]
    scipy.io.savemat(path, {"names": names, "onsets": onsets} | variables)


def extracted(tmp_path, source, repetition_time=2.0, event_duration=None):
    out = tmp_path / "events.tsv"
    write_run_events(
        source=[source], events=out, repetition_time=repetition_time, event_duration=event_duration
    )
    return [(event.onset, event.duration, event.trial_type) for event in event_table.read_events(out)]


def test_spm_conditions_in_scans_become_seconds(tmp_path):
    """Onsets and durations in scans are multiplied by the repetition time and put in order."""
    source = tmp_path / "trials.mat"
    spm_conditions(source)
    assert extracted(tmp_path, source, event_duration=1.0) == [
        (2.0, 1.0, "faces"),
        (8.0, 1.0, "scrambled"),
        (15.0, 1.0, "faces"),
    ]
    durations = np.empty(2, dtype=object)
    durations[:] = [np.array([0.5, 1.0]), np.array(2.0)]
    spm_conditions(source, durations=durations)
    assert [row[1] for row in extracted(tmp_path, source)] == [1.0, 4.0, 2.0]


def test_spm_conditions_without_onsets_or_durations_are_errors(tmp_path):
    """What the file does not hold and the config does not give is asked for."""
    source = tmp_path / "trials.mat"
    spm_conditions(source)
    with pytest.raises(InputError, match=r"has no durations"):
        extracted(tmp_path, source)
    scipy.io.savemat(source, {"names": ["a"]})
    with pytest.raises(InputError, match="lacks the variable onsets"):
        extracted(tmp_path, source, event_duration=1.0)


def test_table_events_keep_their_durations_unless_one_is_set(tmp_path):
    """event_duration replaces the durations of a table, null keeps them."""
    source = tmp_path / "source.tsv"
    source.write_text("onset\tduration\ttrial_type\n5\t2\tb\n1\t3\ta\n")
    assert extracted(tmp_path, source) == [(1.0, 3.0, "a"), (5.0, 2.0, "b")]
    assert [row[1] for row in extracted(tmp_path, source, event_duration=0.5)] == [0.5, 0.5]
