"""CrossFit's Rouge-L: shared words of sentences, in order, as the package `rouge` counts them.

Written out here because that package recurses once a word, so that a sentence of a thousand words
ends it. The package `rouge-score` is another measure: it lower-cases, drops punctuation, takes a
text as one sentence and counts a repeated word each time.
"""

from collections.abc import Sequence


def rouge_l(prediction: str, answer: str) -> float:
    """Return the F1 of the distinct words that both texts have in the same order, in [0, 1].

    Texts are cut into sentences at full stops and into words at blanks; case and punctuation count.
    Every sentence of the answer is aligned with every one of the prediction by their longest common
    subsequence, and a word is shared if any alignment has it.

    Example:
        >>> round(rouge_l("the cat sat", "the cat lay down"), 3)
        0.571
    """
    predicted, expected = _sentences(prediction), _sentences(answer)
    num_predicted, num_expected = len(_words(predicted)), len(_words(expected))
    shared: set[str] = set()
    for reference in expected:
        for candidate in predicted:
            shared.update(_common_words(reference, candidate))
    if not shared:
        return 0.0
    return 2 * len(shared) / (num_predicted + num_expected)


def _sentences(text: str) -> list[list[str]]:
    # A part that holds only blanks is a sentence of one empty word, as in the package.
    return [part.split() or [""] for part in text.split(".") if part]


def _words(sentences: list[list[str]]) -> set[str]:
    return {word for sentence in sentences for word in sentence}


def _common_words(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the words of one longest common subsequence, last word first.

    Where two are equally long, the walk back drops a word of `second` before one of `first`.
    """
    lengths = [[0] * (len(second) + 1)]
    for word in first:
        above, row = lengths[-1], [0]
        for j, other in enumerate(second):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
        lengths.append(row)
    i, j, words = len(first), len(second), []
    while i and j:
        if first[i - 1] == second[j - 1]:
            words.append(first[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words
