"""What a teacher said, kept on disk: how an answer is written, and where it lies."""

from limbeck.cache.dense8 import Dense8
from limbeck.cache.dense16 import Dense16
from limbeck.cache.exact import Exact
from limbeck.cache.header import Header
from limbeck.cache.layout import Layout, layout_of, suitable_layout
from limbeck.cache.store import Store
from limbeck.cache.topk import TopK

__all__ = ["Dense8", "Dense16", "Exact", "Header", "Layout", "Store", "TopK", "layout_of", "suitable_layout"]
