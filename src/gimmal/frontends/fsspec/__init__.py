"""``gimmal://`` for fsspec: the other side's files in pandas, pyarrow, zarr, dask and whatever else speaks it.

An adapter over ``remote`` (docs/decisions/0081-fsspec.md). fsspec finds it by the entry point of the installed package.
"""
