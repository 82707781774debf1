"""The documents, and what writes the parts of them that the code knows best."""
