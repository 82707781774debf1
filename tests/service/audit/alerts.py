"""The security alerts in a site's audit trail."""

import base64

from lxml import etree

from service.settings import Settings
from tests.service.audit.test_audit import GRAMMAR


def alerts(settings: Settings) -> list[tuple[str, str]]:
    """Return the code and the words of each alert of the trail, which follows the grammar of the standard."""
    found = []
    for line in settings.audit_file.read_bytes().splitlines():
        message = etree.fromstring(line)
        GRAMMAR.assertValid(message)
        if message.find("EventIdentification/EventID").get("csd-code") == "110113":
            code = message.find("EventIdentification/EventTypeCode").get("csd-code")
            detail = message.find(".//ParticipantObjectDetail[@type='Alert Description']").get("value")
            found.append((code, base64.b64decode(detail).decode()))
    return found
