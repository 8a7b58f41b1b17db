"""A trained network as a file to deploy: ONNX, proved equal to PyTorch, and a package around it.

`read_card` and `predict_onnx` read such a file with onnxruntime and numpy alone: no torch is imported.
"""

from limbeck.export.onnx import Exported, export_onnx
from limbeck.export.package import open_package, write_package
from limbeck.export.parity import Parity
from limbeck.export.reader import predict_onnx, read_card

__all__ = ["Exported", "Parity", "export_onnx", "open_package", "predict_onnx", "read_card", "write_package"]
