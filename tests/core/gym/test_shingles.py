import numpy as np
import pytest

from dpf_core.gym.shingles import hash_texts

TEXT = "The quick brown fox jumps over the dog."


def hashed(*texts):
    return hash_texts([text.encode() for text in texts])


@pytest.mark.parametrize(
    "variant",
    [
        "the QUICK brown fox jumps over the dog",
        "  The quick, brown fox (jumps) over the dog!\r",
        "The quick brown “fox” jumps over the dog…",
        "Ｔhe quick brown fox jumps over the dog",  # noqa: RUF001  a full-width letter
        "sentence 1: The quick brown fox [SEP] hypothesis: jumps over the dog.",
    ],
)
def test_case_punctuation_and_field_marks_make_no_difference(variant):
    found = hashed(TEXT, variant)
    assert found.whole[0] == found.whole[1]
    assert found.shingles[found.rows == 0].tolist() == found.shingles[found.rows == 1].tolist()


@pytest.mark.parametrize(
    "variant",
    [
        "The quick brown fox jumps over the dogs.",
        "The brown quick fox jumps over the dog.",
        "The quick brown fox jumps over the dog. The",
        "Thequick brown fox jumps over the dog.",
        "",
    ],
)
def test_other_words_or_another_order_give_another_hash(variant):
    found = hashed(TEXT, variant)
    assert found.whole[0] != found.whole[1]


def test_a_text_without_words_has_no_hash():
    assert hashed("", " \t!? ", "--").whole.tolist() == [0, 0, 0]


def test_a_shingle_is_three_words_of_one_text():
    found = hashed("one two", "a b c d", "b c d")
    assert found.rows.tolist() == [1, 1, 2]
    assert found.shingles[1] == found.shingles[2]


def test_hashes_do_not_depend_on_the_texts_around():
    alone = hashed(TEXT)
    among = hashed("first", "[SEP] x: ", TEXT, "\ufeffä ö", "last")
    assert alone.whole[0] == among.whole[2]
    assert set(alone.shingles) <= set(among.shingles)


def test_letters_beyond_ascii_count_as_letters():
    found = hashed("Ärger über Öl", "ärger über öl", "arger uber ol")
    assert found.whole[0] == found.whole[1] != found.whole[2]


def test_bytes_that_are_no_text_are_hashed_too():
    assert len(hash_texts([b"\xff\xfe [sep] \xff", b"a\nb c"]).whole) == 2


def test_no_text_gives_no_hashes():
    assert len(hash_texts([]).whole) == 0


def test_the_hash_of_a_text_is_the_same_on_every_machine():
    # Recomputed from the definition with Python's integers.
    base, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1

    def mixed(value):
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & mask
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB & mask
        return value ^ (value >> 31)

    def polynomial(values):
        return mixed(sum(value * base**place for place, value in enumerate(values)) & mask)

    expected = polynomial([polynomial(b"red"), polynomial(b"kite")])
    assert hashed("Red kite.").whole.tolist() == [expected]
    assert hashed("Red kite.").whole.dtype == np.uint64
