"""Starting Dask workers leaves the handling of Ctrl-C alone."""

import subprocess
import sys


def test_ctrl_c_stays_what_it_was():
    """In a fresh interpreter, and in a thread, where the package could not be imported."""
    code = (
        "import signal, threading\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "from zn_pipeline.queues.dask_cluster import _signals_untouched\n"
        "def load():\n"
        "    with _signals_untouched():\n"
        "        import dask_jobqueue\n"
        "    print('loaded')\n"
        "thread = threading.Thread(target=load)\n"
        "thread.start(); thread.join()\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "loaded\n"
