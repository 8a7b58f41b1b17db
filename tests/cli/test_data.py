"""Data that are not there, too few, damaged or hostile."""

import gzip
import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from limbeck.recipes import training


def spoil(path: Path) -> None:
    """Change a byte in the middle of a PNG, which still begins and ends as it should."""
    content = bytearray(path.read_bytes())
    content[content.find(b"IDAT") + 10] ^= 255
    path.write_bytes(bytes(content))


def bomb(side: int) -> bytes:
    """Return a PNG of few bytes that says it has side × side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("digit", "No data 'digit'; there are digits, folder:PATH"),
        ("digit", "Did you mean 'digits'?"),
        ("", "No data ''"),
        ("foldr:x", "Did you mean 'folder:'?"),
        ("folder:", "must name a path, as in folder:PATH"),
        ("folder:nowhere", "No file or folder 'nowhere', which data 'folder:nowhere' asks for."),
        ("folder:picturs", "Did you mean 'pictures'?"),
        ("pictures", "Did you mean 'folder:pictures'?"),
        ("folder:table.csv", "is a file, but folder: takes a folder"),
        ("csv:pictures", "is a folder, but csv: takes a file"),
        ("table.csv", "Did you mean 'csv:table.csv'?"),
        ("idx:pictures", "pictures has no file train-images-idx3-ubyte"),
        ("sklearn:iris", "Did you mean 'sklearn:diabetes'?"),
        ("folder:pictures", "pictures has no folders: put the images of each class into its own."),
    ],
)
def test_unknown_data(refused, spec, told):
    Path("pictures").mkdir()
    Path("table.csv").write_text("a,b\n1,2\n")
    assert told in refused("train", "--model", "mlp:4", "--data", spec, "--out", "new")


def test_an_empty_class(refused, photos):
    (photos("photos") / "c").mkdir()
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--out", "new")
    assert said == "The class folder photos/c has no images: fill it or remove it."


def test_one_image_in_a_class(refused, photos):
    photos("photos")
    photos("photos", "c", count=1)
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--out", "new")
    assert "Class 'c' of folder:photos has 1 sample; a class needs at least 2" in said


def test_one_class(refused, photos):
    said = refused("train", "--model", "mlp:4", "--data", f"folder:{photos('photos', 'a')}", "--out", "new")
    assert "folder:photos must have two or more classes to tell apart, but has only 'a'." in said


def test_a_class_that_only_the_test_part_has(refused, photos):
    photos("photos/train")
    photos("photos/test", "abc")
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--out", "new")
    assert "photos/test/c is a class that photos/train has no folder for" in said


@pytest.fixture
def damaged(photos) -> Path:
    """Two classes with four files among them that are no images, each for another reason."""
    folder = photos("photos")
    (folder / "a" / "empty.png").write_bytes(b"")
    (folder / "a" / "text.jpg").write_text("no image")
    whole = (folder / "b" / "0.png").read_bytes()
    (folder / "b" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "b" / "bomb.png").write_bytes(bomb(60_000))
    return folder


@pytest.mark.parametrize("name", ["a/empty.png", "a/text.jpg", "b/cut.png", "b/bomb.png"])
def test_an_unreadable_image_is_named(refused, damaged, name):
    for other in {"a/empty.png", "a/text.jpg", "b/cut.png", "b/bomb.png"} - {name}:
        (damaged / other).unlink()
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--out", "new")
    assert f"photos/{name} " in said
    assert "--skip-bad" in said


def test_many_unreadable_images_are_counted(refused, damaged):
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--out", "new")
    assert "(3 more files are like it.)" in said


@pytest.mark.parametrize("side", [9_000, 60_000, 2**31 - 1])
def test_a_decompression_bomb_is_not_unpacked(refused, photos, side):
    (photos("photos") / "a" / "bomb.png").write_bytes(bomb(side))
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--out", "new")
    assert "photos/a/bomb.png " in said


def test_images_left_out_are_listed_in_record_and_report(limbeck, damaged):
    words = ["--model", "mlp:4", "--data", "folder:photos", "--epochs", "1", "--skip-bad"]
    assert limbeck("train", *words, "--out", "new").code == 0
    left_out = ["a/empty.png", "a/text.jpg", "b/bomb.png", "b/cut.png"]
    assert json.loads(Path("new/run.json").read_text())["skipped"] == [f"photos/{each}" for each in left_out]
    page = Path("new/report.html").read_text()
    assert all(f"photos/{each}" in page for each in left_out)


def test_a_class_that_skipping_empties(refused, photos):
    folder = photos("photos")
    (folder / "c").mkdir()
    (folder / "c" / "text.png").write_text("no image")
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--skip-bad", "--out", "new")
    assert "photos/c has no image that can be read" in said


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_an_image_damaged_inside_is_found_before_training(refused, photos, part):
    for each in ("train", "val", "test"):
        photos(f"photos/{each}")
    spoil(Path("photos", part, "a", "3.png"))
    said = refused("train", "--model", "mlp:4", "--data", "folder:photos", "--epochs", "1", "--out", "new")
    assert f"photos/{part}/a/3.png cannot be read as an image" in said
    assert "--skip-bad" in said


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_is_damaged_meanwhile_leaves_a_run_to_go_on_with(limbeck, photos, monkeypatch, workers):
    """The file is spoilt when training has begun; once it is mended, the run goes on."""
    folder = photos("photos")
    file = folder / "a" / "3.png"
    whole = file.read_bytes()
    begin = training.open_folder

    def spoilt(*given):
        spoil(file)
        return begin(*given)

    words = ["--data", f"folder:{folder}", "--epochs", "2", "--workers", workers]
    with monkeypatch.context() as patch:
        patch.setattr(training, "open_folder", spoilt)
        result = limbeck("train", "--model", "mlp:4", *words, "--out", "new")
    assert result.code == 2
    assert "photos/a/3.png cannot be read as an image" in result.err
    assert len(result.err.splitlines()) == 1
    file.write_bytes(whole)
    assert limbeck("train", "--resume", "new", "--workers", "0").code == 0


def test_a_text_beside_the_images_is_left_alone(limbeck, photos):
    (photos("photos") / "a" / "notes.txt").write_text("no image")
    words = ["--model", "mlp:4", "--data", "folder:photos", "--epochs", "1"]
    assert limbeck("train", *words, "--out", "new").code == 0


def test_images_of_all_sizes_and_modes_are_brought_to_one(limbeck, photos):
    folder = photos("photos")
    Image.new("RGBA", (31, 17)).save(folder / "a" / "wide.png")
    Image.new("1", (5, 50)).save(folder / "b" / "tall.png")
    words = ["--model", "cnn:4", "--data", "folder:photos", "--epochs", "1"]
    assert limbeck("train", *words, "--out", "new").code == 0


ROWS = "".join(f"{number},{2 * number},n{number % 3}\n" for number in range(40))


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("x,y,name\n" + ROWS, "", "The column to predict, 'name' of t.csv, is not numeric"),
        ("x,y,name\n" + ROWS, "", "as in csv:t.csv#y"),
        ("x,y,name\n" + ROWS, "#nmae", "t.csv has no column 'nmae'; it has x, y, name. Did you mean 'name'?"),
        ("x,y\n1,2\n2,3\n", "", "t.csv must have five rows or more with a value of 'y'"),
        ("x,y\n1,2,3\n", "", "Line 2 of t.csv has 3 cells, but the header has 2."),
        ("", "", "t.csv is empty"),
        ("x,y\n", "", "t.csv has no rows below its header"),
        ("1,2\n3,4\n", "", "t.csv begins with numbers: its first line must name the columns"),
        ("x,x\n3,4\n", "", "t.csv has two columns called 'x'"),
        ("y\n" + "3\n" * 40, "", "t.csv has no column besides 'y'"),
        (
            "x,y\n" + "".join(f"{number},5\n" for number in range(40)),
            "",
            "targets that differ and fit 32-bit numbers",
        ),
        ("x,y\n" + "".join(f"{number},{number}e300\n" for number in range(40)), "", "fit 32-bit numbers"),
    ],
)
def test_a_table_that_cannot_be_learnt_from(refused, text, column, told):
    Path("t.csv").write_text(text)
    assert told in refused("train", "--model", "mlp:4", "--data", f"csv:t.csv{column}", "--out", "new")


def test_a_table_that_is_not_text(refused):
    Path("t.csv").write_bytes(b"\xff\xfe\x00\x01")
    said = refused("train", "--model", "mlp:4", "--data", "csv:t.csv", "--out", "new")
    assert "t.csv cannot be read as a table in UTF-8" in said


def test_a_table_cut_short_in_its_gzip(refused):
    Path("t.csv.gz").write_bytes(gzip.compress(("x,y,z\n" + ROWS).encode())[:-20])
    said = refused("train", "--model", "mlp:4", "--data", "csv:t.csv.gz", "--out", "new")
    assert "t.csv.gz cannot be read as a table" in said


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not an idx file of bytes with 3 axes"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 20, 4, 4) + bytes(100), "should hold 320 bytes but holds only 100"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**10, 2**10), "more than the"),
    ],
)
def test_damaged_idx_files(refused, content, told):
    Path("mnist").mkdir()
    Path("mnist/train-images-idx3-ubyte").write_bytes(content)
    Path("mnist/train-labels-idx1-ubyte").write_bytes(
        struct.pack(">4BI", 0, 0, 8, 1, 20) + bytes([3, 7] * 10)
    )
    said = refused("train", "--model", "mlp:4", "--data", "idx:mnist", "--out", "new")
    assert "mnist/train-images-idx3-ubyte" in said
    assert told in said
