"""Webhook: events as JSON by HTTP POST, signed as Standard Webhooks 1.0.0 wants it, for what no standard covers.

The body is that of docs/reference/webhook.schema.json. Who it is about is told where the settings allow it.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from service.http_wire import delivered
from service.ledger import DueMessage
from service.ledger.views import InstanceView, StudyHistory
from service.process.clock import utc_now
from service.settings import Settings
from service.settings.receivers import WebhookSettings
from service.settings.secret_files import read_password
from service.vocabulary.errors import TransientDeliveryFailure
from service.vocabulary.facts import MessageEvent
from service.vocabulary.findings import Outcome
from service.vocabulary.identity import Identity
from worker.channels.told import Image, image_withdrawn, images_told

_NOTICE = "AI triage result: research use only, not a medical device, not a radiologist's report"


class WebhookChannel:
    """Tells one receiver by HTTP; used by one thread."""

    def __init__(self, _settings: Settings, receiver: WebhookSettings) -> None:
        self._receiver = receiver

    def build(self, message: DueMessage, study: StudyHistory) -> bytes | None:
        """Return a message, or None when what it tells does not stand any more, or is corrected by the next."""
        body: dict[str, Any] = {
            "version": 1,
            "id": message.message_id,
            "event": message.event.value,
            "occurred_at": message.occurred_at.isoformat(),
            "notice": _NOTICE,
            "study": {
                "study_instance_uid": message.study_instance_uid,
                "accession_number": message.instance.identity.accession_number,
                "priority": message.priority.name.lower(),
                "priority_source": message.priority_source.name.lower(),
            },
        }
        if self._receiver.patient:
            body["patient"] = _patient(message.instance.identity)
        match message.event:
            case MessageEvent.RESULT:
                images = images_told(message, study, self._receiver.name)
                body["images"] = [_image(image) for image in images]
            case MessageEvent.RESULT_SUPERSEDED:
                withdrawn = image_withdrawn(message, study, self._receiver.name)
                images = [withdrawn] if withdrawn is not None else []
                body["images"] = [_image(image) for image in images]
                body["reason"] = message.supersession.value if message.supersession is not None else None
            case MessageEvent.REPORTS_BUILT:
                body["reports"] = _reports(message.instance, study)
        if body.get("images") == []:
            return None
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    def send(self, message: DueMessage, payload: bytes) -> str:
        """Post a message; return the status with which it was taken.

        Raises
        ------
        TransientDeliveryFailure
            When the receiver is away, or answers with a status that may pass.
        PermanentDeliveryFailure
            When the status is about the message.
        """
        return delivered(
            self._receiver, "POST", self._receiver.url, payload, self._headers(message.message_id, payload)
        )

    def close(self) -> None:
        """Nothing is kept open between two messages."""

    def _headers(self, message_id: str, payload: bytes) -> Mapping[str, str]:
        """Return the headers of a message, its signature among them."""
        moment = str(int(utc_now().timestamp()))
        signed = b".".join((message_id.encode(), moment.encode(), payload))
        signature = hmac.new(self._secret(), signed, hashlib.sha256).digest()
        return {
            "Content-Type": "application/json",
            "Webhook-Id": message_id,
            "Webhook-Timestamp": moment,
            "Webhook-Signature": f"v1,{base64.b64encode(signature).decode()}",
        }

    def _secret(self) -> bytes:
        """Return the key; its file is read for each message, so that a new one counts from the next on."""
        try:
            text = read_password(self._receiver.secret_file).get_secret_value().removeprefix("whsec_")
            key = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise self._no_key("base64") from None
        except ValueError as error:
            raise TransientDeliveryFailure(str(error)) from None
        if not key:  # anybody could sign with it
            raise self._no_key("key")
        return key

    def _no_key(self, lacks: str) -> TransientDeliveryFailure:
        path = self._receiver.secret_file
        return TransientDeliveryFailure(f"{path} holds no {lacks}; write one such as `openssl rand -base64 32` makes")


def _patient(identity: Identity) -> dict[str, str]:
    return {
        "id": identity.patient_id,
        "issuer": identity.issuer_of_patient_id,
        "name": identity.patient_name,
        "birth_date": identity.birth_date,
        "sex": identity.sex,
    }


def _image(image: Image) -> dict[str, Any]:
    view = image.view
    return {
        "number": image.number,
        "sop_instance_uid": view.sop_instance_uid,
        "series_instance_uid": view.series_instance_uid,
        "version": view.version,
        "status": image.status.name.lower(),
        "analysed_at": view.analysed_at.isoformat() if view.analysed_at is not None else None,
        "outcome": image.outcome.name.lower(),
        "reason": view.reason if view.result is None else None,
        "flags": [flag.value for flag in view.flags],
        "result": _result(view),
    }


def _result(view: InstanceView) -> dict[str, Any] | None:
    result = view.result
    if result is None:
        return None
    is_positive = result.outcome is Outcome.POSITIVE
    return {
        "p_pneumonia": result.p_pneumonia,
        "pneumonia_type": result.pneumonia_type.name.lower() if is_positive and result.pneumonia_type else None,
        "lower": result.lower,
        "upper": result.upper,
        "prevalence": result.prevalence,
        "operating_point": result.operating_point,
        "checkpoint": {
            "name": result.checkpoint_name,
            "version": result.checkpoint_version,
            "digest": result.checkpoint_digest,
        },
        "calibration_digest": result.calibration_digest,
    }


def _reports(instance: InstanceView, study: StudyHistory) -> list[dict[str, str]]:
    source = (instance.sop_instance_uid, instance.version)
    return [
        {
            "kind": report.kind,
            "sop_class_uid": report.sop_class_uid,
            "sop_instance_uid": report.sop_instance_uid,
            "source_sop_instance_uid": report.source_sop_instance_uid,
        }
        for report in study.reports
        if (report.source_sop_instance_uid, report.source_version) == source
    ]
