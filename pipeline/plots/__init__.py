"""The figures of the train and evaluate stages: plain data in, PNG files out.

Each figure stays readable at 40 tasks: small multiples, heat maps and one row a task instead of one
colour a task. The same data gives the same bytes.
"""

from pipeline.plots.evaluation import evaluate_plots
from pipeline.plots.history import HistoryRow, read_history
from pipeline.plots.training import train_plots

__all__ = ["HistoryRow", "evaluate_plots", "read_history", "train_plots"]
