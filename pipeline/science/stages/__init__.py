"""One module for each stage of pipeline/science/dvc.yaml."""
