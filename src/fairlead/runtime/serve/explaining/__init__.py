"""Explanations, served: made by a process of their own behind a door like the batch lane's, so that no prediction waits
for one.

Workers know the addresses and pass requests on (`door`); the process follows the same routes, asks the same callers
who they are, validates by the same codecs and counts into the same metrics (`plane`).
"""
