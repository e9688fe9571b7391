"""The trained front end as ONNX files, and the proof that they compute what torch does."""
