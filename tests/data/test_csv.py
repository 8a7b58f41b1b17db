"""Tables in text files."""

import gzip

import pytest
import torch

from limbeck.data import open_data
from limbeck.data.csv import csv_table
from limbeck.errors import LimbeckError

HOUSES = "rooms,near,age,price\n" + "".join(
    f"{number},{('bay', 'sea', 'hill')[number % 3]},{number % 7 * 1.5},{number * 100}\n"
    for number in range(30)
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="houses.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def test_numbers_and_texts_become_features(write):
    data = csv_table(write(HOUSES))
    assert data.task == "regression"
    assert data.classes is None
    assert data.shape == (5,)
    assert data.source.read(4).tolist() == [4.0, 0.0, 0.0, 1.0, 6.0]  # rooms; bay, hill, sea; age
    assert data.source.targets[4].item() == 400
    assert data.source.targets.dtype == data.source.inputs.dtype == torch.float32
    assert data.notes == ("'near' became 3 columns of 0 and 1, one for each text.",)
    assert (len(data.train), len(data.validation), len(data.test)) == (19, 5, 6)


def test_zipped_or_not_is_the_same_data(write):
    plain = csv_table(write(HOUSES)).fingerprint()
    assert csv_table(write(HOUSES, "houses.csv.gz")).fingerprint() == plain


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(write, separator):
    assert torch.equal(
        csv_table(write(HOUSES.replace(",", separator))).source.inputs, csv_table(write(HOUSES)).source.inputs
    )


def test_byte_order_mark_and_quotes(write):
    text = '\ufeff"a","b, or so","price"\n' + "1,2,3\n" * 10
    data = csv_table(write(text), "b, or so")
    assert data.source.targets.tolist() == [2.0] * 10


def test_the_target_is_named(write):
    path = write(HOUSES)
    data = open_data(f"csv:{path}#age")
    assert data.name == f"csv:{path}#age"
    assert data.source.targets[:3].tolist() == [0.0, 1.5, 3.0]
    assert data.shape == (5,)


def test_a_name_with_a_hash_is_a_name(write):
    assert open_data(f"csv:{write(HOUSES, 'a#b.csv')}").shape == (5,)


@pytest.mark.parametrize("gap", ["", "NA", "nan", " ", "?", "inf", "1e999"])
def test_missing_values_take_the_mean_of_the_training_rows(write, gap):
    rows = [[str(number), str(number * 10)] for number in range(30)]
    for number in (3, 8, 20):
        rows[number][0] = gap
    data = csv_table(write("a,b\n" + "\n".join(",".join(row) for row in rows)))
    known = [each for each in data.train.tolist() if each not in (3, 8, 20)]
    assert data.source.read(8).item() == pytest.approx(sum(known) / len(known))
    assert data.notes == ("3 missing values of 'a' were filled with the mean of the training rows.",)


def test_rows_without_a_target_are_left_out(write):
    text = "a,b\n" + "".join(f"{number},{'' if number == 4 else number}\n" for number in range(20))
    data = csv_table(write(text))
    assert len(data.source) == 19
    assert 4 not in data.source.targets
    assert data.notes == ("1 rows without 'b' were left out.",)


def test_missing_texts_and_empty_columns(write):
    text = "a,empty,kind,b\n" + "".join(f"{n},,{'' if n % 2 else 'x'},{n}\n" for n in range(20))
    data = csv_table(write(text))
    assert data.source.read(3).tolist() == [3.0, 0.0]
    assert data.notes == (
        "Column 'empty' has no values and was left out.",
        "'kind' became 1 columns of 0 and 1, one for each text; 10 rows without a text have 0 in all.",
    )


@pytest.mark.parametrize(
    ("text", "target", "says"),
    [
        ("", None, "is empty"),
        ("a,b\n", None, "has no rows below its header"),
        ("1,2\n3,4\n", None, "begins with numbers: its first line must name the columns"),
        ("a,a\n1,2\n", None, "two columns called 'a'"),
        ("a,b\n1,2\n1,2,3\n", None, "Line 3 of .* has 3 cells, but the header has 2"),
        ("a,b\n1,2\n", None, "must have five rows or more with a value of 'b'"),
        ("b\n" + "1\n" * 9, None, "has no column besides 'b'"),
        (HOUSES, "prize", "has no column 'prize'; it has rooms, .* Did you mean 'price'"),
        (HOUSES, "near", "'near' of .* is not numeric: name a numeric one, as in csv:.*#price"),
        ("a,b\n" + "".join(f"name {n},{n}\n" for n in range(101)), None, "Column 'a' .* 101 different texts"),
        ('a,b\n1,"2\n', None, "cannot be read as a table"),
    ],
)
def test_bad_tables_are_refused(write, text, target, says):
    with pytest.raises(LimbeckError, match=says):
        csv_table(write(text), target)


def test_damaged_files_are_refused(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(HOUSES.encode())[:60])
    (tmp_path / "b.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    for name in ("a.csv.gz", "b.csv"):
        with pytest.raises(LimbeckError, match=f"{name} cannot be read as a table"):
            csv_table(tmp_path / name)
