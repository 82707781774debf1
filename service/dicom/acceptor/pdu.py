"""PDUs that are read here instead of by pynetdicom."""

#: Protocol violation: the state machine answers it with A-ABORT (PS3.8 Table 9-10, event 19).
INVALID_PDU = "Evt19"


class Data:
    """A P-DATA-TF PDU, and the primitive that the state machine makes of it (PS3.8 section 9.3.5).

    pynetdicom's own primitive insists on copies of the fragments.

    Raises
    ------
    ValueError
        When a presentation data value ends after its PDU or holds nothing.
    """

    def __init__(self, body: bytearray) -> None:
        self.presentation_data_value_list: list[tuple[int, memoryview]] = []
        view = memoryview(body)
        while view:
            length = int.from_bytes(view[:4], "big")
            if length < 2 or len(view) < 4 + length:
                raise ValueError("a presentation data value's length is wrong")
            self.presentation_data_value_list.append((view[4], view[5 : 4 + length]))
            view = view[4 + length :]

    def to_primitive(self) -> "Data":
        """Return what the state machine passes on."""
        return self
