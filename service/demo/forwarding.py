"""Forwards instances over a DICOM association, as a PACS does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association

from service.dicom.latency import without_delay
from service.process.clock import utc_now
from service.vocabulary.errors import TransientDeliveryFailure


@dataclass(frozen=True)
class Forwarded:
    """An instance that was sent: the C-STORE response status (None: no answer) and when it came."""

    dataset: Dataset
    status: int | None
    answered_at: datetime

    @property
    def acknowledged(self) -> bool:
        """Whether the listener took responsibility for it."""
        return self.status == 0x0000


def forward(
    instances: Iterable[Dataset], host: str, port: int, called_ae_title: str, calling_ae_title: str
) -> Iterator[Forwarded]:
    """Send instances in their own transfer syntaxes, one association for each run of equal ones.

    Raises
    ------
    TransientDeliveryFailure
        When no association comes about.
    """
    association: Association | None = None
    kind = None
    for dataset in instances:
        wanted = (dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
        if association is None or not association.is_established or kind != wanted:
            if association is not None and association.is_established:
                association.release()
            association, kind = _associate(host, port, called_ae_title, calling_ae_title, *wanted), wanted
        try:
            status = association.send_c_store(dataset).get("Status")
        except (RuntimeError, ValueError, OSError):
            status = None
        yield Forwarded(dataset, status, utc_now())
    if association is not None and association.is_established:
        association.release()


def _associate(
    host: str, port: int, called_ae_title: str, calling_ae_title: str, sop_class_uid: str, transfer_syntax_uid: str
) -> Association:
    ae = AE(ae_title=calling_ae_title)
    ae.connection_timeout = ae.acse_timeout = 10
    ae.dimse_timeout = 60
    association = ae.associate(
        host,
        port,
        contexts=[build_context(sop_class_uid, transfer_syntax_uid)],
        ae_title=called_ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, without_delay)],
    )
    if not association.is_established:
        raise TransientDeliveryFailure(
            f"no association with {called_ae_title} at {host}:{port} for {sop_class_uid}; is `auscult listen` running?"
        )
    return association
