from tests.endpoint.conftest import own_place  # noqa: F401 (a fixture for every test here)
