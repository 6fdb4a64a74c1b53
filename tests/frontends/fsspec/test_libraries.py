"""What people use fsspec for, with the real libraries (`make data` installs them)."""

from __future__ import annotations

from typing import Any

import fsspec
import pytest

from tests.frontends.fsspec.conftest import Place

_WHY = "make data installs it"
numpy = pytest.importorskip("numpy", reason=_WHY)
pandas = pytest.importorskip("pandas", reason=_WHY)
pyarrow = pytest.importorskip("pyarrow", reason=_WHY)
dataset = pytest.importorskip("pyarrow.dataset", reason=_WHY)
arrow_fs = pytest.importorskip("pyarrow.fs", reason=_WHY)
parquet = pytest.importorskip("pyarrow.parquet", reason=_WHY)
zarr = pytest.importorskip("zarr", reason=_WHY)


def table(rows: int) -> Any:
    return pandas.DataFrame({"number": range(rows), "word": [f"w{row % 7}" for row in range(rows)]})


def test_pandas_reads_and_writes_csv_by_url(place: Place) -> None:
    written = table(3000)
    written.to_csv(place.url("folder/table.csv"), index=False)
    assert (place.far / "folder" / "table.csv").read_text() == written.to_csv(index=False)
    pandas.testing.assert_frame_equal(pandas.read_csv(place.url("folder/table.csv")), written)
    some = pandas.concat(pandas.read_csv(place.url("folder/table.csv"), chunksize=500))
    pandas.testing.assert_frame_equal(some, written)


def test_pandas_reads_and_writes_packed_csv_and_appends(place: Place) -> None:
    written = table(2000)
    written.to_csv(place.url("table.csv.gz"), index=False)
    pandas.testing.assert_frame_equal(pandas.read_csv(place.url("table.csv.gz")), written)
    written[:1000].to_csv(place.url("log.csv"), index=False)
    written[1000:].to_csv(place.url("log.csv"), index=False, header=False, mode="a")
    pandas.testing.assert_frame_equal(pandas.read_csv(place.url("log.csv")), written)


def test_pandas_reads_and_writes_parquet(place: Place) -> None:
    written = table(50_000)
    written.to_parquet(place.url("table.parquet"), row_group_size=5000)
    local = pandas.read_parquet(place.far / "table.parquet")
    pandas.testing.assert_frame_equal(local, written)
    pandas.testing.assert_frame_equal(pandas.read_parquet(place.url("table.parquet")), written)
    numbers = pandas.read_parquet(place.url("table.parquet"), columns=["number"], filters=[("number", ">=", 49_990)])
    assert list(numbers["number"]) == list(range(49_990, 50_000))


def test_pyarrow_writes_and_reads_a_dataset_in_partitions(place: Place) -> None:
    arrow = pyarrow.Table.from_pandas(table(10_000))
    handler = arrow_fs.PyFileSystem(arrow_fs.FSSpecHandler(place.fs))
    dataset.write_dataset(
        arrow,
        place.at("data"),
        format="parquet",
        partitioning=["word"],
        partitioning_flavor="hive",
        filesystem=handler,
    )
    folders = sorted(folder.name for folder in (place.far / "data").iterdir())
    assert folders == [f"word=w{number}" for number in range(7)]
    there = dataset.dataset(place.at("data"), filesystem=place.fs, partitioning="hive")
    assert there.count_rows() == 10_000
    found = there.to_table(filter=dataset.field("word") == "w3", columns=["number"])
    assert sorted(found["number"].to_pylist()) == list(range(3, 10_000, 7))
    # Once more over what is there: files are replaced, what is left over goes.
    dataset.write_dataset(
        arrow.slice(0, 70),
        place.at("data"),
        format="parquet",
        partitioning=["word"],
        partitioning_flavor="hive",
        filesystem=place.fs,
        existing_data_behavior="delete_matching",
    )
    assert dataset.dataset(place.at("data"), filesystem=place.fs, partitioning="hive").count_rows() == 70


def test_pyarrow_reads_by_url_and_random_access(place: Place) -> None:
    arrow = pyarrow.Table.from_pandas(table(20_000))
    parquet.write_table(arrow, place.far / "table.parquet", row_group_size=1000)
    with place.fs.open(place.at("table.parquet")) as opened:
        file = parquet.ParquetFile(opened)
        assert file.metadata.num_row_groups == 20
        assert file.read_row_group(13)["number"].to_pylist() == list(range(13_000, 14_000))


def test_zarr_writes_and_reads_an_array(place: Place) -> None:
    values = numpy.arange(120 * 90, dtype="int32").reshape(120, 90)
    array = zarr.create_array(
        store=place.url("array.zarr"), shape=values.shape, chunks=(40, 30), dtype="int32", overwrite=True
    )
    array[:] = values
    array.attrs["unit"] = "m"
    again = zarr.open_array(place.url("array.zarr"), mode="r+")
    assert again.attrs["unit"] == "m"
    numpy.testing.assert_array_equal(again[:], values)
    numpy.testing.assert_array_equal(again[35:85, 10], values[35:85, 10])
    again[0, 0] = -5
    assert zarr.open_array(str(place.far / "array.zarr"), mode="r")[0, 0] == -5


def test_zarr_writes_and_reads_a_group_with_shards(place: Place) -> None:
    group = zarr.create_group(place.url("group.zarr"))
    values = numpy.arange(64 * 64, dtype="float64").reshape(64, 64)
    array = group.create_array("one/deep", shape=values.shape, chunks=(8, 8), shards=(32, 32), dtype="float64")
    array[:] = values
    group.create_array("other", shape=(4,), dtype="int8")
    there = zarr.open_group(place.url("group.zarr"), mode="r")
    assert sorted(name for name, _member in there.members(max_depth=None)) == ["one", "one/deep", "other"]
    numpy.testing.assert_array_equal(there["one/deep"][10:20, 40:50], values[10:20, 40:50])
    del zarr.open_group(place.url("group.zarr"), mode="r+")["other"]
    assert not (place.far / "group.zarr" / "other").exists()


def test_fsspec_opens_many_files_and_packed_ones(place: Place) -> None:
    for number in range(3):
        (place.far / f"{number}.txt").write_text(f"number {number}\n")
    with fsspec.open_files(place.url("*.txt"), "rt") as opened:
        assert [file.read() for file in opened] == [f"number {number}\n" for number in range(3)]
    with fsspec.open(place.url("packed.txt.xz"), "wt", compression="infer") as file:
        file.write("packed\n")
    with fsspec.open(place.url("packed.txt.xz"), "rt", compression="infer") as file:
        assert file.read() == "packed\n"
    mapper = fsspec.get_mapper(place.url("mapped"))
    mapper["a/b"] = b"value"
    assert dict(mapper) == {"a/b": b"value"}
    del mapper["a/b"]
    assert list(mapper) == []
