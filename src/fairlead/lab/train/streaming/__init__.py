"""Learners that take one labelled row at a time, and what keeps, seals and compares them."""
