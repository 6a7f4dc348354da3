"""How far a table has moved from another one, or from what a model was trained on: a report for people and programs.

folding: rows to profiles of consecutive blocks; judging: two rows of blocks to what moved; report: what is said;
page: as HTML.
"""
