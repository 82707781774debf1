"""The listener's associations: who is let in, and how what a peer sends becomes requests of a service.

`contract` says what the package asks of a service and shows it of a peer; each other module imports only those above it
here: `contract`, `access`, `pdu`, `streaming`, `peer_socket`, `secure_socket`, `upper_layer`, `negotiation`,
`association`, `server`. What is taken from pynetdicom's inside stands in docs/reference/pynetdicom.md.
"""
