"""The model families: what Tally knows of each, for the learner and for the engines.

`registry.py` lists them. A family is one file with one object, which nothing but transformers' own
names and numbers go into; what families share is in `family.py` and the parts beside it. The
registry is imported without torch: only what computes brings it in.
"""
