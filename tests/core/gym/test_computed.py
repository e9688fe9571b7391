import json
from collections import Counter

import pytest

from dpf_core.gym.computed import COMPUTED


def compute(name, *rows):
    return list(COMPUTED[name](iter(rows)))


def columns(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_a_lama_template_names_its_subject_and_masks_its_object():
    row = {"template": "[X] was born in [Y] .", "sub_label": "Ada", "more": 1}
    assert compute("lama_prompt", row) == [{**row, "prompt": "Ada was born in [MASK] ."}]


def test_a_lama_subject_that_holds_the_mark_of_the_object_is_masked_too():
    row = {"template": "[X] was born in [Y].", "sub_label": "The [Y] of Bath"}
    assert compute("lama_prompt", row)[0]["prompt"] == "The [MASK] of Bath was born in [MASK]."


def test_aqua_options_are_freed_of_their_marks():
    row = {"options": ["A)21", "B) x", "C)-"], "correct": "B"}
    names = ("option_marks", "option_texts", "answer_number")
    expected = (["A)", "B)", "C)"], ["21", " x", "-"], 1)
    assert columns(compute("aqua_options", row), *names) == [expected]


def test_an_aqua_answer_without_an_option_is_refused():
    with pytest.raises(ValueError, match="must begin with the letter 'E'"):
        compute("aqua_options", {"options": ["A)1", "B)2"], "correct": "E"})


MATH = "a ) 38 , b ) 27.675 , c ) 30 , d ) data inadequate , e ) none of these"


@pytest.mark.parametrize(("letter", "number"), [("a", 0), ("b", 1), ("d", 3), ("e", 4)])
def test_math_options_are_cut_at_commas_and_freed_of_their_letters(letter, number):
    texts = ["38", "27.675", "30", "data inadequate", "none of these"]
    rows = compute("math_qa_options", {"options": MATH, "correct": letter})
    assert columns(rows, "option_texts", "answer_number") == [(texts, number)]


def test_a_comma_within_a_math_option_moves_the_following_ones_as_in_crossfit():
    row = {"options": "a ) 1,000 , b ) 2 , c ) 3 , d ) 4 , e ) 5", "correct": "c"}
    rows = compute("math_qa_options", row)
    assert columns(rows, "option_texts", "answer_number") == [(["", "", "2", "3", "4 "], 2)]
    assert compute("math_qa_options", {**row, "correct": "a"}) == []


@pytest.mark.parametrize("change", [{"options": "a ) 1 , b ) 2"}, {"correct": "f"}])
def test_math_options_of_another_form_are_refused(change):
    with pytest.raises(ValueError, match="five options a to e"):
        compute("math_qa_options", {"options": MATH, "correct": "a"} | change)


@pytest.mark.parametrize(
    ("question", "index", "answer"),
    [
        ("Which is slow? (A) the sled or (B) the car", 0, "the sled"),
        ("Which is slow? (A) the sled or (B) the car", 1, "the car"),
        ("Which? (A) a sled (B) a car ", 0, "a sled"),
        ("Which? (A) a sled (B) a car ", 1, "a car"),
        ("Which? (A) a wood floor (B) a door", 0, "a wood flo"),
    ],
)
def test_a_quarel_answer_is_the_text_after_its_letter_without_a_final_or(question, index, answer):
    rows = compute("quarel_answer", {"question": question, "answer_index": index})
    assert columns(rows, "answer_text") == [(answer,)]


def sciq(number, support="A text."):
    wrong = {f"distractor{place}": f"wrong {number}{place}" for place in (1, 2, 3)}
    return {**wrong, "correct_answer": f"right {number}", "support": support}


def test_sciq_draws_the_order_of_options_with_seed_42_from_one_stream():
    rows = compute("sciq_options", sciq(1), sciq(2), sciq(3))
    # numpy.random.seed(42), then shuffle [0, 1, 2, 3] three times: 1302, 1302 and 3012
    assert columns(rows, "option_texts", "answer_number") == [
        (["wrong 12", "right 1", "wrong 11", "wrong 13"], 1),
        (["wrong 22", "right 2", "wrong 21", "wrong 23"], 1),
        (["right 3", "wrong 31", "wrong 32", "wrong 33"], 0),
    ]


def test_sciq_leaves_out_rows_without_support_before_it_draws():
    assert compute("sciq_options", sciq(0, ""), sciq(1)) == compute("sciq_options", sciq(1))


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [("blimp_order", "sentence_good", "sentence_bad"),
     ("crows_pairs_order", "sent_more", "sent_less")],
)  # fmt: skip
def test_the_order_of_two_sentences_is_drawn_with_seed_42(name, better, worse):
    rows = compute(name, *[{better: "good", worse: "bad"}] * 4)
    # numpy.random.seed(42), then random() > 0.5: 0.37 no, 0.95 yes, 0.73 yes, 0.60 yes
    expected = [("bad", "good", 1)] + [("good", "bad", 0)] * 3
    assert columns(rows, "first", "second", "better") == expected


def test_a_second_split_is_drawn_from_the_same_beginning():
    rows = [{"sentence_good": str(number), "sentence_bad": "-"} for number in range(9)]
    assert compute("blimp_order", *rows) == compute("blimp_order", *rows)


def test_sentences_of_one_concept_set_become_one_row_at_the_place_of_the_first():
    rows = [(7, "dog", "A dog."), (3, "cat", "A cat."), (7, "dog", "One dog.")]
    rows = [{"concept_set_idx": i, "concepts": [c], "target": t} for i, c, t in rows]
    assert columns(compute("concept_sets", *rows), "concepts", "targets") == [
        (["dog"], ["A dog.", "One dog."]),
        (["cat"], ["A cat."]),
    ]


def test_empathetic_utterances_are_gathered_by_prompt_and_emotion():
    rows = [
        {"prompt": "I won_comma_ yes", "context": "joyful", "utterance": "Hi_comma_\tyou\r\n"},
        {"prompt": "I won_comma_ yes", "context": "proud", "utterance": "Good"},
        {"prompt": "I won_comma_ yes", "context": "joyful", "utterance": "hit:12_conv:3"},
        {"prompt": "I won, yes", "context": "joyful", "utterance": "Oh"},
    ]
    assert columns(compute("empathetic_replies", *rows), "situation", "replies") == [
        ("I won, yes [SEP] joyful", ["Hi, you  ", "Oh"]),
        ("I won, yes [SEP] proud", ["Good"]),
    ]


def multirc(question, answer, label):
    return {
        "question": f"Q{question}?", "paragraph": "P.", "answer": answer, "label": label,
        "idx": {"paragraph": 0, "question": question, "answer": 0},
    }  # fmt: skip


def test_multirc_answers_are_gathered_by_question():
    rows = [multirc(0, "a", 1), multirc(1, "x", 0), multirc(0, "b", 0), multirc(0, "c", 1)]
    assert columns(
        compute("multirc_questions", *rows), "question", "option_texts", "correct_answers"
    ) == [("Q0?", ["a", "b", "c"], "a [SEP] c"), ("Q1?", ["x"], "NO ANSWER!")]


def test_an_acronym_and_its_long_form_are_cut_from_the_tokens():
    tokens = ["a", "convex", "hull", "finder", "(", "CH", "F", ")"]
    row = {"tokens": tokens, "labels": [4, 0, 2, 2, 4, 1, 3, 4]}
    assert columns(compute("one_acronym", row), "acronym", "long_form") == [
        ("CH F", "convex hull finder")
    ]


def test_an_acronym_may_end_its_sentence():
    rows = compute("one_acronym", {"tokens": ["so", "CH", "is", "hull"], "labels": [4, 1, 4, 0]})
    assert columns(rows, "acronym", "long_form") == [("CH", "hull")]


@pytest.mark.parametrize("labels", [[1, 1, 0], [1, 4, 4], [4, 4, 0], [0, 1, 0]])
def test_sentences_without_exactly_one_acronym_and_one_long_form_are_left_out(labels):
    assert compute("one_acronym", {"tokens": ["a", "b", "c"], "labels": labels}) == []


def test_the_context_holds_supporting_paragraphs_in_the_order_of_the_source():
    row = {
        "context": {"title": ["A", "B", "C"], "sentences": [["a1.", " a2."], ["b."], [" c. "]]},
        "supporting_facts": {"title": ["C", "A", "C"], "sent_id": [0, 1, 0]},
    }
    assert columns(compute("supporting_context", row), "supporting_context") == [("a1. a2.  c.",)]


def test_tables_may_be_lists_of_structs():
    context = [{"title": "A", "sentences": ["a."]}, {"title": "B", "sentences": ["b."]}]
    row = {"context": context, "supporting_facts": [{"title": "B", "sent_id": 0}]}
    assert compute("supporting_context", row)[0]["supporting_context"] == "b."
    table = [{"column_header": "born", "content": "1815"}]
    row = {"input_text": {"context": "ada", "table": table}}
    assert compute("biography_table", row)[0]["table_text"] == "ada [SEP] born: 1815 [n] "


def test_plots_with_an_editors_notice_are_left_out_and_answers_occur_once():
    notice = (
        "This article's plot summary may be too long or excessively detailed. Please help improve "
        "it by removing unnecessary details and making it more concise."
    )
    rows = [{"plot": notice + " He waits.", "answers": ["x"]}, {"plot": "He waits. " + notice}]
    rows[1]["answers"] = ["b", "a", "b"]
    assert columns(compute("plain_plots", *rows), "answers") == [(["b", "a"],)]


def biography(**table):
    return {"input_text": {"context": " ada \n", "table": table}}


def test_a_biography_is_its_name_and_its_facts():
    row = biography(column_header=["born", "died"], content=[" in\nLondon\n", "1852"])
    text = "ada [SEP] born: in London [n] died: 1852 [n] "
    assert columns(compute("biography_table", row), "table_text") == [(text,)]


def test_a_biography_with_more_names_than_values_is_left_out():
    assert compute("biography_table", biography(column_header=["a", "b"], content=["1"])) == []


COUNTS = {"tea": 12, "a walk": 40}
SURVEYS = {
    "mapping": {"raw": COUNTS},
    "pairs": {"raw": list(COUNTS.items())},
    "texts": {"raw": list(COUNTS)},
    "raw JSON": {"raw": json.dumps(COUNTS)},
    "JSON": json.dumps({"raw": COUNTS}),
    "struct of all keys": {"raw": {"ale": None, **COUNTS}},
}


@pytest.mark.parametrize("form", SURVEYS)
def test_survey_answers_keep_the_order_of_the_source(form):
    row = {"question": {"normalized": "name a habit"}, "answers": SURVEYS[form]}
    rows = compute("survey_answers", row)
    expected = ("name a habit", ["tea", "a walk"])
    assert columns(rows, "normalized_question", "answer_texts") == [expected]


def test_survey_answers_of_another_form_are_refused():
    with pytest.raises(ValueError, match="must be a mapping or a list"):
        compute("survey_answers", {"question": {"normalized": "q"}, "answers": {"raw": 3}})


def test_rows_with_a_broken_score_are_left_out():
    rows = compute("whole_scores", {"score": 5.0}, {"score": 2.5}, {"score": 1.0})
    assert columns(rows, "whole_score") == [(5,), (1,)]
    assert Counter(type(row["whole_score"]) for row in rows) == {int: 2}
