import re
from collections import Counter
from importlib import resources

import yaml

from dpf_core.gym.catalogue import load_catalogue

FOLDER = resources.files("dpf_core.gym").joinpath("specs")
README = FOLDER.joinpath("README.md").read_text(encoding="utf-8")


def test_the_example_is_the_specification_that_is_used():
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", README, re.DOTALL).group(1))
    text = FOLDER.joinpath("crossfit/question_answering.yaml").read_text(encoding="utf-8")
    used = yaml.safe_load(text)["social_i_qa"]
    assert example["social_i_qa"].items() <= used.items()


def test_the_numbers_of_tasks_are_those_of_the_files():
    found = Counter(spec.category.split("/")[0] for spec in load_catalogue("mirror").values())
    named = dict(re.findall(r"`crossfit/(\w+)\.yaml` \| (\d+)", README))
    assert {group.replace("_", " "): int(count) for group, count in named.items()} == found
