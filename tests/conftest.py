"""Tests neither read nor fill the user's cache."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """An empty folder for miniatures, indexes and activity, for this session of tests only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCOLA_DATA", str(tmp_path_factory.mktemp("cache")))
        yield
