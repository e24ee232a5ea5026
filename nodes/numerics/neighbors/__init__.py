"""Who is near whom, under any combination of periodic directions.

- `cells`: the geometry of a lattice: plane distances and the images a cutoff reaches.
- `host`: exact lists in NumPy, for training and for single predictions.
- `device`: the same list rebuilt inside a compiled loop, with a skin and a fixed capacity;
  it stands on `grid` (bins chosen on the host), `candidates` (pairs compared on the device)
  and `slots` (from marks to slots).

Every list is receiver-major and dense: row i holds the senders j of atom i with the integer
image shift S, and the edge vector r_j - r_i + S @ cell. Each directed edge knows the slot of
its reverse, so forces are gathered, never scattered: the result does not depend on the order
in which a device happens to add.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
