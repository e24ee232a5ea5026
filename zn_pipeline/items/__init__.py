"""Items: one function over many structures, every result computed once and kept.

A map::

    map.py        zn.map: keys, what is stored already, what has to run, the report
    call.py       what is done with one item; how it travels to a worker
    evaluate.py   a calculator as such a function
    runner.py     runs a chunk of items in a worker and appends the results to a segment
    local.py      backends of this machine: in place, processes
    dask.py       workers of a Dask cluster          detached.py   batch jobs without a driver
    results.py    what a map returns

The store::

    values.py     values to bytes and back
    segment.py    append-only files of records, the truth
    index.py      from keys to records, rebuilt at will
    store.py      both together
    leases.py     who computes what, for several drivers
    upkeep.py     verify, gc, status, explain, push and pull
"""
