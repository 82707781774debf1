"""The audit trail: who sent what, what was sent where, and who was refused, as DICOM audit messages (PS3.15 A.5).

It names patients, as the standard asks, and is the one part of auscult that does. It goes into a file of its own and,
by setting, to a syslog server over TLS; never into the log, a metric or an exception.
"""

from service.audit import events
from service.audit.message import AuditMessage, EventOutcome
from service.audit.trail import AuditTrail, examine

__all__ = ["AuditMessage", "AuditTrail", "EventOutcome", "events", "examine"]
