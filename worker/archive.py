"""What a courier asks of the archive that it brings reports to, over whichever wire."""

from typing import Protocol

from service.dicom.instance_file import InstanceFile


class Archive(Protocol):
    """A destination of reports; used by one thread. `service.dicom.scu` is the one over associations."""

    def accepts(self, sop_class_uid: str) -> bool:
        """Return whether the destination takes instances of a SOP class, or requests of one.

        Raises
        ------
        TransientDeliveryFailure
            When it cannot be reached.
        """

    def lacks(self, sop_class_uid: str) -> bool:
        """Return whether it is known not to; it is not asked."""

    def store(self, instance: InstanceFile) -> int:
        """Send an instance; return the status of one that the destination took (PS3.4 Table B.2-1).

        Raises
        ------
        TransientDeliveryFailure, PermanentDeliveryFailure
            When it does not take it, for now or for good.
        """

    def holds(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> bool:
        """Ask whether the destination holds an instance.

        Raises
        ------
        TransientDeliveryFailure
            When it cannot be reached or does not say.
        """

    def close(self) -> None:
        """Let go of a connection that is kept."""
