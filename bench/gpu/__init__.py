"""The day with a GPU as one command: `python -m bench.gpu --minutes 25`.

`plan.py` has the rows in the order of their worth, `rows/` what each measures, `day.py` runs them,
each in a process of its own, and `record.py` writes the table and the JSON after every one.
"""
