"""Fixtures of the runtime's tests."""

from collections.abc import Iterator

import pytest

from tests.wire.registry_server import RegistryServer, running_registry, script


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry without a login."""
    if script.find() is None:
        pytest.skip("no registry is installed: run scripts/registry.py")
    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server
