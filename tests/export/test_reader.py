import subprocess
import sys

import numpy as np
import pytest

from limbeck.errors import LimbeckError
from limbeck.export import predict_onnx, read_card


def test_bytes_and_floats_mean_the_same(exported):
    raw = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 6), dtype=np.uint8)
    given = predict_onnx(exported.path, raw)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, predict_onnx(exported.path, raw / 255), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(3, 8, 6), (1, 8, 6, 3), (1, 3, 6, 8), (1, 1, 8, 6)])
def test_another_shape_is_refused_with_the_one_wanted(shape, exported):
    with pytest.raises(LimbeckError, match=r"reads inputs of shape \(N, 3, 8, 6\), not \("):
        predict_onnx(exported.path, np.zeros(shape, np.uint8))


def test_files_that_are_not_limbecks_are_named(exported, tmp_path):
    import onnx

    foreign = onnx.load(exported.path)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(LimbeckError, match=r"foreign\.onnx was not written by limbeck export"):
        read_card(tmp_path / "foreign.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a graph")
    with pytest.raises(LimbeckError, match=r"onnxruntime cannot load .*broken\.onnx"):
        read_card(tmp_path / "broken.onnx")
    with pytest.raises(LimbeckError, match=r"There is no file .*absent\.onnx"):
        read_card(tmp_path / "absent.onnx")


def test_reading_imports_no_torch(exported):
    script = (
        "import sys, numpy; from limbeck.export import predict_onnx, read_card;"
        f"answer = predict_onnx({str(exported.path)!r}, numpy.zeros((2, 3, 8, 6), 'uint8'));"
        "print(answer.shape, 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "(2, 3) False"


def test_missing_runtime_is_told_with_its_remedy(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(LimbeckError, match=r"onnxruntime, .*pip install 'limbeck\[export\]'"):
        read_card(exported.path)
