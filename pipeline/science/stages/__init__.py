"""One module for each stage of pipeline/science/dvc.yaml and of ablations/dvc.yaml beside it."""
