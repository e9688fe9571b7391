"""The figures of the train and evaluate stages: plain data in, PNG files out.

Each figure stays readable at 40 tasks: small multiples, heat maps and one row a task instead of one
colour a task. The same data gives the same bytes. The two halves are apart, so that a change in one
stage's figures does not run the other stage again.
"""
