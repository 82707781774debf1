"""DICOMweb's Store transaction as its origin server: a request's body becomes admitted instances while it arrives.

References
----------
PS3.18 section 10.5 (Store Transaction), Annex I.2 (Store Instances Response Module)
"""

from service.dicomweb.response import JSON, MEDIA_TYPES, encoded, http_status
from service.dicomweb.store import BrokenBody, StoredInstance, StoreTransaction, boundary_of

__all__ = [
    "JSON",
    "MEDIA_TYPES",
    "BrokenBody",
    "StoreTransaction",
    "StoredInstance",
    "boundary_of",
    "encoded",
    "http_status",
]
