from importlib.metadata import version

import edgetwin


def test_the_core_and_the_package_have_one_version():
    assert version("edgetwin") == edgetwin.__version__
