from importlib import metadata

from zn_pipeline.fingerprint.packages import version_of


def test_modules_lead_to_distributions():
    assert version_of("ase") == ("ase", metadata.version("ase"))
    assert version_of("ase.build.bulk") == ("ase", metadata.version("ase"))
    name, version = version_of("yaml") or version_of("git")
    assert metadata.version(name) == version


def test_what_has_no_version_that_counts():
    for name in ("json", "sys", "numpy", "numpy.linalg", "zn_pipeline.node", "no_such_package_x"):
        assert version_of(name) is None
