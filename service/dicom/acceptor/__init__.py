"""The listener's associations: who is let in, and how what a peer sends becomes requests of a service.

`contract` says what the package asks of a service and shows of a peer. What is taken from pynetdicom's inside stands in
docs/reference/pynetdicom.md.
"""
