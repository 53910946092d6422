"""Tests neither read nor fill the user's cache; those with a browser share one."""

import os

import pytest
from browser import chromium, lab  # noqa: F401
from local_server import serving

from cocola_lib.data import miniatures
from cocola_lib.files import locked


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """A folder for miniatures, indexes and activity, empty at first, for this session of tests only."""
    shared = "PYTEST_XDIST_WORKER" in os.environ  # by the processes of a session: a miniature takes a minute
    folder = tmp_path_factory.getbasetemp().parent / "cache" if shared else tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCOLA_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_sets(own_cache):
    """Every miniature in its smallest size, name -> folder, in that cache. To read, not to write."""
    with locked(own_cache / ".tiny", "", wait=True):
        return {name: miniatures.ensure(name, "tiny", progress=False, jobs=1) for name in miniatures.MODULES}


@pytest.fixture
def server():
    """A server on this machine, for one test (`local_server.Server`)."""
    with serving() as handler:
        yield handler
