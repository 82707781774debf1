"""How long a row of the outbox is a thread's own: at least as long as the peer may take over it."""

from datetime import timedelta

from service.settings import DeliverySettings, DicomwebSettings, NodeSettings, ReceiverSettings


def lease_for(settings: DeliverySettings, node: NodeSettings | ReceiverSettings | DicomwebSettings) -> timedelta:
    """Return the lease of what goes to a node: the setting, or the node's time-outs where they are longer together.

    One row may take all of them twice: connect, associate, send, answer.
    """
    return timedelta(seconds=max(settings.lease, 2 * (node.connect_timeout + node.response_timeout)))
