"""Storage commitment, Push Model (PS3.4 Annex J), in both roles.

`messages` are the data sets; `verdict` is our answer to a peer; `listening` is what the listener does with requests and
answers; `associations` are those that we open: to ask a destination, and to tell a peer our answer.
"""
