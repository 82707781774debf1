"""Readings as Unified Procedure Steps (PS3.4 Annex CC), in both roles.

`content` is what a work item says, of our list and of what we push onto another; `matching` finds those that are asked
for; `listening` is what the listener does with requests.
"""
