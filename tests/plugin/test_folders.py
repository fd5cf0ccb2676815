"""Every test has a bundle folder of its own."""

import pytest
from inner_sessions import PLUGIN

from harness.plugin.folders import bundle_name, claimed, without_group
from harness.plugin.options import Session


@pytest.mark.parametrize(
    ("node_id", "name"),
    [
        ("test_a.py::test_x", "test_a-test_x"),
        ("scenarios/test_a.py::TestA::test_x", "scenarios.test_a-TestA-test_x"),
        ("scenarios/test_a.py::TestA::test_x@group", "scenarios.test_a-TestA-test_x"),
        ("test_a.py::test_x[delay(ratings, 2s)]", "test_a-test_x-delay-ratings-2s-fde68965"),
    ],
)
def test_names_are_readable(node_id, name):
    """Folders, file, classes and test; a hash only where the readable part is not the whole node id."""
    assert name == bundle_name(node_id)


DIFFERENT = [
    "a/test_x.py::test_x", "a.test_x.py::test_x", "test_x.py::test_x", "b/test_x.py::test_x", "a-test_x.py::test_x",
    "test_x.py::TestA::test_x", "test_x.py::TestB::test_x", "test_x.py::TestA-test_x", "test_x.py::test_x[1]",
    "test_x.py::test_x[1-2]", "test_x.py::test_x[1 2]", "test_x.py::test_x[1_2]", "test_x.py::test_x[1.2]",
    "test_x.py::test_x[a@b]", "test_x.py::test_x[a@c]", "test_x.py::test_x[]", "test_x.py::test_x[é]",
    "test_x.py::test_x[::]", "test_x.py::test_x_1", "test_x.py::test_x[/]", "test_x.py::test_" + "x" * 200,
    "test_x.py::test_" + "x" * 201, "test_x.py::test_x[" + "y" * 300 + "1]", "test_x.py::test_x[" + "y" * 300 + "2]",
]  # fmt: skip


def test_different_tests_have_different_names_of_bounded_length():
    """Classes, files and parameters are told apart, and the names are safe on every file system."""
    names = [bundle_name(node_id) for node_id in DIFFERENT]
    assert len(set(names)) == len(DIFFERENT)
    assert all(len(name) <= 110 and name.isascii() and "/" not in name for name in names)


def test_the_group_of_xdist_is_no_part_of_the_test():
    """Only the part after the name is the group; a parameter may have an @ too."""
    assert "t.py::test_x[a@b]" == without_group("t.py::test_x[a@b]") == without_group("t.py::test_x[a@b]@group")
    assert "a@1/t.py::test_x" == without_group("a@1/t.py::test_x")


def test_a_folder_is_never_used_twice(tmp_path):
    """A repeated test gets a folder of its own."""
    assert ["x", "x-2", "x-3"] == [claimed(tmp_path / "run" / "x").name for _ in range(3)]


def test_tests_of_one_name_and_repeated_tests_keep_their_bundles(pytester, monkeypatch):
    """Two classes, two parameters, two bundles of one test, and a second attempt."""
    monkeypatch.setattr(Session, "folder", pytester.path / "reports")
    pytester.makepyfile("""
        import pytest
        from pathlib import Path
        def bundles(canary, times=1):
            for _ in range(times):
                folder = canary._test.next_folder()
                assert [] == list(folder.iterdir())
                (folder / "manifest.json").touch()
                canary.run("pass")
        class TestA:
            def test_x(self, canary): bundles(canary, 2)
        class TestB:
            def test_x(self, canary): bundles(canary)
        @pytest.mark.parametrize("p", ["a b", "a-b"])
        def test_x(canary, p): bundles(canary)
        @pytest.mark.flaky(reruns=1)
        def test_twice(canary):
            bundles(canary)
            assert Path("second").exists() or Path("second").touch()
    """)
    assert 0 == pytester.runpytest_inprocess(*PLUGIN).ret
    assert 7 == len(list((pytester.path / "reports").glob("*/manifest.json")))
