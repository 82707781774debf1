"""HL7 v2 in both directions: how messages are written and read, and the listener that hears what a RIS says."""
