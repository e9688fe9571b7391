"""The gym: task specifications, their sources, CrossFit's files and their readers."""
