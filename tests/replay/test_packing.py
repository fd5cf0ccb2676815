"""A bundle is packed into one small file without logs, and a file from somebody else is unpacked only if it is whole."""

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import record, samples

from harness import bundle
from harness.cli import main
from harness.clients.zstd import compressed, decompressed
from harness.errors import RecordError, UsageError
from harness.model.hops import Hop
from harness.replay.packing import Limits, _exactly, _members, pack, unpack
from harness.replay.sample_columns import latency_units_per_s, pack_columns, unpack_columns
from harness.runner.deciding import decide
from harness.wiring import judge


@pytest.fixture
def folder(tmp_path):
    """A bundle with hops, an analysis, a report and logs."""
    hop = Hop(phase="steady", arm="canary", caller="reviews-v3", destination="ratings", version="v1", calls=3)
    made, folder = replace(record(), hops=(hop,)), tmp_path / "runs" / "test"
    bundle.write_bundle(made, folder)
    bundle.write_analysis(decide(bundle.read_bundle(folder), judge("sequential")), folder)
    bundle.write_report("<!doctype html>", folder)
    (folder / "logs").mkdir()
    (folder / "logs" / "reviews-v3.log").write_text("password: hunter2")
    return folder


def archive(path, *members):
    """A packed file with these members: pairs of a header and its content."""
    with compressed(path) as sink:
        for header, content in members:
            sink.write(header.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % 512))
        sink.write(b"\0" * 1024)
    return path


def regular(name, content=b"{}"):
    """A regular file of an archive."""
    header = tarfile.TarInfo(name)
    header.size = len(content)
    return header, content


def refused(file, tmp_path, **limits):
    """The reason why a file is not unpacked; nothing of it is left."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RecordError) as caught:
        unpack(file, tmp_path / "unpacked", limits=Limits(**limits))
    assert before == sorted(tmp_path.rglob("*"))
    return str(caught.value)


def test_a_packed_bundle_is_the_same_record(folder, tmp_path):
    """Everything but the rounding of times is as it was, and the verdict is the same."""
    pack(folder, tmp_path / "test.tar.zst")
    unpack(tmp_path / "test.tar.zst", tmp_path / "unpacked")
    left, right = bundle.read_bundle(folder), bundle.read_bundle(tmp_path / "unpacked")
    assert replace(left, samples=right.samples) == right
    np.testing.assert_allclose(left.samples.due_s, right.samples.due_s, atol=5.1e-5)
    np.testing.assert_allclose(left.samples.latency_s, right.samples.latency_s, atol=5e-6)
    np.testing.assert_array_equal(left.samples.arm, right.samples.arm)
    assert bundle.read_analysis(folder) == bundle.read_analysis(tmp_path / "unpacked")
    assert bundle.read_analysis(folder).verdict is decide(right, judge("sequential")).verdict


def test_logs_and_report_are_left_out(folder, tmp_path):
    """Services write what they like to their logs, and the report shows some of that."""
    pack(folder, tmp_path / "test.tar.zst")
    unpack(tmp_path / "test.tar.zst", tmp_path / "unpacked")
    names = {path.name for path in (tmp_path / "unpacked").iterdir()}
    assert not names & {"logs", "report.html", "pack.json", "samples.columns"}


def test_a_million_samples_take_less_than_five_megabytes(tmp_path):
    """At 200 requests per second, where the times between requests take most."""
    count, rng = 100_000, np.random.default_rng(1)
    many = replace(
        samples(count),
        due_s=np.cumsum(rng.exponential(1 / 200, count)),
        latency_s=rng.lognormal(np.log(0.11), 0.25, count),
        late_s=rng.lognormal(np.log(2e-4), 0.8, count),
        status=np.where(rng.random(count) < 0.02, 500, 200).astype(np.int16),
        size=rng.integers(300, 310, count).astype(np.int32),
    )
    with compressed(tmp_path / "columns") as sink:
        sink.write(pack_columns(many, latency_units=latency_units_per_s(many)))
    assert (tmp_path / "columns").stat().st_size < 5 * count


@pytest.mark.parametrize("name", ["../manifest.json", "/etc/passwd", "a/../../b", "a/b/c", ".hidden", "x/.y", ""])
def test_a_file_elsewhere_is_refused(tmp_path, name):
    """No member is written outside of the folder, or under a name that no bundle has."""
    header, content = regular("x")
    header.name = name
    assert "expected regular files of a bundle only" in refused(archive(tmp_path / "a", (header, content)), tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.XHDTYPE])
def test_only_regular_files_are_accepted(tmp_path, kind):
    """Links, folders, devices and extended headers are no part of a bundle."""
    header, content = regular("plan.json", b"")
    header.type, header.linkname = kind, "/etc/passwd"
    assert "expected regular files of a bundle only" in refused(archive(tmp_path / "a", (header, content)), tmp_path)


def test_a_bomb_is_not_written(tmp_path):
    """Content that is far larger than its file, a file that is too large, and too many files are refused."""
    bomb = archive(tmp_path / "a", regular("plan.json", bytes(1 << 20)))
    assert "expected a bundle of a usual size" in refused(bomb, tmp_path, always_bytes=1 << 16)
    assert "expected a bundle of a usual size" in refused(bomb, tmp_path, member_bytes=1 << 16)
    assert "expected a bundle of a usual size" in refused(bomb, tmp_path, total_bytes=1 << 16)
    many = archive(tmp_path / "a", *(regular(f"resources/{number}.yaml") for number in range(5)))
    assert "expected a bundle of a usual size" in refused(many, tmp_path, members=4)


def test_a_damaged_file_is_refused(folder, tmp_path):
    """A file that is cut off, is no archive, has a member twice or lacks one is not unpacked."""
    pack(folder, tmp_path / "whole.tar.zst")
    whole = (tmp_path / "whole.tar.zst").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut", tmp_path)
    (tmp_path / "other").write_bytes(b"no archive at all")
    assert "expected a file of harness bundle pack" in refused(tmp_path / "other", tmp_path)
    twice = archive(tmp_path / "twice", regular("plan.json"), regular("plan.json"))
    assert "found it twice" in refused(twice, tmp_path)
    assert "expected pack.json in it, found none" in refused(archive(tmp_path / "few", regular("plan.json")), tmp_path)


def repacked(folder, tmp_path, change):
    """A packed file in which ``change`` has changed the members, by name."""
    pack(folder, tmp_path / "whole.tar.zst")
    members = {}
    with decompressed(tmp_path / "whole.tar.zst") as source:
        for header in _members(source, tmp_path):
            members[header.name] = _exactly(source, header.size, tmp_path)
            _exactly(source, -header.size % 512, tmp_path)
    change(members)
    return archive(tmp_path / "changed", *(regular(name, content) for name, content in members.items()))


@pytest.mark.parametrize("name", ["plan.json", "hops.ndjson", "analysis.json", "manifest.json", "samples.columns"])
def test_a_changed_member_is_refused(folder, tmp_path, name):
    """Every hash is compared before the folder appears."""

    def change(members):
        members[name] = members[name].replace(b"\n", b"\n ", 1) if b"\n" in members[name] else members[name][::-1]

    said = refused(repacked(folder, tmp_path, change), tmp_path)
    assert "changed since it was recorded" in said or "differ from those that were packed" in said


def test_an_unlisted_member_is_refused(folder, tmp_path):
    """A file that the manifest does not list is no part of the record."""
    file = repacked(folder, tmp_path, lambda members: members.update({"resources/more.yaml": b"{}"}))
    assert "resources/more.yaml" in refused(file, tmp_path)


def test_an_unknown_version_is_refused(folder, tmp_path):
    """The version of the packed file is read before its samples are."""

    def change(members):
        members["pack.json"] = json.dumps({**json.loads(members["pack.json"]), "pack_version": 9}).encode()

    assert "expected pack version 1, found 9" in refused(repacked(folder, tmp_path, change), tmp_path)


def test_columns_of_samples_are_checked():
    """A sample of an unknown operation or arm is refused."""
    packed = pack_columns(samples(4), latency_units=1000)
    assert 4 == len(unpack_columns(packed, latency_units=1000, operations=("/reviews",), errors=("",)))
    with pytest.raises(RecordError, match="expected the operation of each sample"):
        unpack_columns(packed, latency_units=1000, operations=(), errors=("",))
    with pytest.raises(RecordError, match="bytes too many"):
        unpack_columns(packed[:-1], latency_units=1000, operations=("/reviews",), errors=("",))


def test_nothing_is_overwritten(folder, tmp_path):
    """An existing file or folder stays as it is."""
    (tmp_path / "test.tar.zst").touch()
    with pytest.raises(UsageError, match="expected the name of a new file"):
        pack(folder, tmp_path / "test.tar.zst")
    with pytest.raises(UsageError, match="expected the name of a new folder"):
        unpack(tmp_path / "test.tar.zst", folder)


def test_the_commands_pack_and_unpack(folder, tmp_path, capsys, monkeypatch):
    """By default in this folder; the commands that follow can be pasted, and the report is made again."""
    (tmp_path / "an issue").mkdir()
    monkeypatch.chdir(tmp_path / "an issue")
    assert 0 == main(["bundle", "pack", str(folder)])
    packed = f"{folder.name}.tar.zst"
    assert [packed] == [path.name for path in Path().iterdir()]
    assert f"harness replay {packed}\n" in capsys.readouterr().out
    assert 0 == main(["bundle", "unpack", packed])
    bundle.check_report(Path(folder.name))
    assert "pass" in capsys.readouterr().out


def test_the_newest_run_can_be_packed(folder, tmp_path, monkeypatch, capsys):
    """One with several scenarios is refused, with the commands to choose from."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "my runs" / "20261123-094210-a1f37c02"
    assert 12 == main(["bundle", "pack", "latest", "--out", "my runs"])
    assert "expected recorded runs, found none; run a scenario first" in capsys.readouterr().err
    shutil.copytree(folder, run / "slow")
    assert 0 == main(["bundle", "pack", "latest", "--out", "my runs"])
    assert (tmp_path / "slow.tar.zst").is_file()
    shutil.copytree(folder, run / "steady")
    assert 2 == main(["bundle", "pack", "latest", "other.tar.zst", "--out", "my runs"])
    assert f"\n  harness bundle pack 'my runs/{run.name}/steady'" in capsys.readouterr().err
