"""One module for each stage of dvc.yaml, under the stage's name."""
