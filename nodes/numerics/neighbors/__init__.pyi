from .device import DeviceList, ListSpec
from .host import DenseList, Edges, dense_list, neighbor_edges

__all__ = ["DenseList", "DeviceList", "Edges", "ListSpec", "dense_list", "neighbor_edges"]
