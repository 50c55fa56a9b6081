"""Calls side by side, of which some lose their process."""

import os
import signal
from functools import partial
from pathlib import Path

from openmm_cgaa.host.processes import Died, side_by_side


def twice(number, fatal):
    """Dies when it is called first."""
    if fatal and not Path(fatal).exists():
        Path(fatal).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_a_call_whose_process_dies_is_begun_anew_as_often_as_is_said(tmp_path):
    for again in (0, 1):
        ended = {}
        fatal = tmp_path / f"fatal-{again}"
        calls = [partial(twice, 1, fatal), partial(twice, 2, None), partial(twice, 3, None)]
        side_by_side(calls, 2, lambda n, result, error, ended=ended: ended.update({n: error or result}), again)
        assert ended.keys() == {0, 1, 2} and (ended[1], ended[2]) == (4, 6)
        assert isinstance(ended[0], Died) if again == 0 else ended[0] == 2
