"""The service: everything between the socket and the report that needs no network of neurons."""
