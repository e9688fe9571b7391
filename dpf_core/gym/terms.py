"""The words that a specification can use for kinds, metrics, sampling and answers."""

CLASSIFICATION = "classification"
MULTIPLE_CHOICE = "multiple_choice"
TEXT = "text"
KINDS = (CLASSIFICATION, MULTIPLE_CHOICE, TEXT)
METRICS = (
    "ACC",
    "Classification-F1",
    "EM",
    "Matthew-Correlation",
    "Pearson-Correlation",
    "QA-F1",
    "Rouge-L",
)
PROVENANCES = ("real", "generated")
SAMPLINGS = ("per_label", "overall")
ANSWER_FORMS = ("number", "letter", "text")
ANSWER_ORDERS = ("sorted", "first_seen")
DEFAULT_METRIC = {CLASSIFICATION: "Classification-F1", MULTIPLE_CHOICE: "ACC", TEXT: "Rouge-L"}
DEFAULT_SHOTS = {CLASSIFICATION: 16, MULTIPLE_CHOICE: 32, TEXT: 32}
OPTIONS_MARK = "options"
"""The field `{options}` of a template says where the lettered options stand."""
