"""Tests neither read nor fill the user's cache; those with a browser share one."""

import pytest
from browser import chromium, lab  # noqa: F401
from local_server import serving

from cocola_lib.data import miniatures


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """An empty folder for miniatures, indexes and activity, for this session of tests only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCOLA_DATA", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_sets(own_cache):
    """Every miniature in its smallest size, name -> folder, in that cache. To read, not to write."""
    return {name: miniatures.ensure(name, "tiny", progress=False) for name in miniatures.MODULES}


@pytest.fixture
def server():
    """A server on this machine, for one test (`local_server.Server`)."""
    with serving() as handler:
        yield handler
