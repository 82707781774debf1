"""PDUs that are read here instead of by pynetdicom."""

from service.dicom.associate import AssociateRequest, InvalidAssociate, ae_title, read_request, read_titles

#: Protocol violation: the state machine answers it with A-ABORT (PS3.8 Table 9-10, event 19).
INVALID_PDU = "Evt19"


#: Reasons of an A-ABORT by the service provider (PS3.8 Table 9-26).
UNRECOGNIZED_PDU, UNEXPECTED_PDU, INVALID_PARAMETER = 1, 2, 6


class RequestPdu:
    """An A-ASSOCIATE-RQ PDU, and the primitive that the state machine makes of it.

    It is one also where it cannot be read, so that whoever negotiates can reject it: the state machine would abort.

    Attributes
    ----------
    request
        What it says; none where it cannot be read.
    problem
        Why it cannot be read.
    """

    #: The state machine wants no other; whoever negotiates looks at the bit that counts.
    protocol_version = 1

    def __init__(self, body: bytes) -> None:
        self.request: AssociateRequest | None = None
        self.problem = ""
        self.called_ae_title, self.calling_ae_title = map(ae_title, read_titles(body))
        #: pynetdicom looks for the peer's maximum length in it.
        self.user_information: list[object] = []
        try:
            self.request = read_request(body)
        except InvalidAssociate as error:
            self.problem = str(error)

    def to_primitive(self) -> "RequestPdu":
        """Return what the state machine passes on."""
        return self


class Data:
    """A P-DATA-TF PDU, and the primitive that the state machine makes of it (PS3.8 section 9.3.5).

    pynetdicom's own primitive insists on copies of the fragments.

    Raises
    ------
    ValueError
        When a presentation data value ends after its PDU or holds nothing.
    """

    def __init__(self, body: bytearray | memoryview) -> None:
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
