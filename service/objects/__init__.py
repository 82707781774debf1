"""The object store: durable, content-addressed objects that are written once and never changed.

A folder on a disk or a bucket (`store.url`); everything above sees `ObjectStore` alone. S3's client loads only where a
bucket is named: `service.operations.bootstrap.open_store`.
"""

from service.objects.contract import Incoming, ObjectStore, StoredObject
from service.objects.local import LocalStore
from service.objects.room import Room

__all__ = ["Incoming", "LocalStore", "ObjectStore", "Room", "StoredObject"]
