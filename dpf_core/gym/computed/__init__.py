"""Columns that a task must compute, beyond what paths, filters and templates can say.

A generator takes the rows of one split, in the source's order, and yields rows with further
columns. It may leave rows out or gather several into one. Those that draw start anew for each
split, as CrossFit did, with numpy's legacy generator and seed 42.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dpf_core.gym.computed.choices import (
    aqua_options,
    math_qa_options,
    quarel_answer,
    sciq_options,
)
from dpf_core.gym.computed.gather import concept_sets, empathetic_replies, multirc_questions
from dpf_core.gym.computed.labels import cited_span, majority_label, wellformedness
from dpf_core.gym.computed.order import blimp_order, crows_pairs_order
from dpf_core.gym.computed.texts import (
    biography_table,
    lama_prompt,
    one_acronym,
    plain_plots,
    supporting_context,
    survey_answers,
    whole_scores,
)

Rows = Iterator[Mapping[str, Any]]

COMPUTED: Mapping[str, Callable[[Rows], Rows]] = {
    function.__name__: function
    for function in (
        aqua_options,
        biography_table,
        blimp_order,
        cited_span,
        concept_sets,
        crows_pairs_order,
        empathetic_replies,
        lama_prompt,
        majority_label,
        math_qa_options,
        multirc_questions,
        one_acronym,
        plain_plots,
        quarel_answer,
        sciq_options,
        supporting_context,
        survey_answers,
        wellformedness,
        whole_scores,
    )
}
"""Every generator that a specification can name with `compute`."""

__all__ = ["COMPUTED"]
