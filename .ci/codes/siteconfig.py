"""How GPAW is built: one process, libxc and OpenBLAS of the system."""

mpi = False
compiler = "g++"
libraries = ["xc", "openblas"]
