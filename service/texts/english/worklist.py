"""The reading worklist in page and terminal: answers, alarms and what goes with them."""

TEXTS = {
    "order.patient_class": "patient class {name}",
    "order.indication": "indication: {text}",
    "order.not_used": "not used, {problem}",
    "order.title": "Orders",
    "worklist.banner": "AI triage results: research use only, not a medical device, not a radiologist report",
    "worklist.order": "Place in the order of reading",
    "worklist.priority": "Priority",
    "worklist.patient": "Patient",
    "worklist.accession": "Accession",
    "worklist.arrived": "Arrived",
    "worklist.result": "AI result",
    "worklist.preliminary": "(preliminary)",
    "worklist.reports": "Reports",
    "worklist.empty": "No study has arrived yet",
    "worklist.ago": "{span} ago",
    "worklist.images.one": "1 image",
    "worklist.images.many": "{count} images",
    "worklist.also": "also: {sentence}",
    "worklist.no_name": "no name",
    "worklist.no_patient_id": "no Patient ID",
    "worklist.nothing_sent": "nothing is sent",
    "worklist.no_reason": "no reason recorded",
    # What the AI says of an image
    "answer.held": "HELD: {hold}",
    "answer.waiting": "waiting",
    "answer.waiting_again.one": "waiting, {count} attempt of it failed",
    "answer.waiting_again.many": "waiting, {count} attempts of it failed",
    "answer.being_analysed": "being analysed",
    "answer.failed": "FAILED, NOT ANALYSED: {reason}",
    "answer.not_analysed": "NOT ANALYSED: {reason}",
    "answer.no_image": "NOT ANALYSED: no image of this study is in force",
    "answer.several": "{sentence} ({count} images)",
    "answer.result.positive": "PNEUMONIA SUSPECTED {probability}",
    "answer.result.indeterminate": "INDETERMINATE {probability}, neither suspected nor excluded",
    "answer.result.negative": "No pneumonia pattern found by AI; other abnormalities NOT assessed",
    "answer.result.not_analysed": "NOT ANALYSED",
    # What a person has to see to
    "alarm.remedy": "Remedy:",
    "alarm.study_held": "Study on hold: {hold}. Nothing of it is sent.",
    "alarm.analysis_failed.one": "1 image could not be analysed.",
    "alarm.analysis_failed.many": "{count} images could not be analysed.",
    "alarm.report_failed.one": "The reports of 1 image could not be built.",
    "alarm.report_failed.many": "The reports of {count} images could not be built.",
    "alarm.delivery_failed.one": "1 report or message could not be delivered to {destination}.",
    "alarm.delivery_failed.many": "{count} reports or messages could not be delivered to {destination}.",
    "alarm.untaken.one": "{destination} does not take what it is sent: 1 report or message is tried"
    " again, for {span} now.",
    "alarm.untaken.many": "{destination} does not take what it is sent: {count} reports or messages are"
    " tried again, the first for {span} now.",
    "alarm.unanalysed_for_long": "An image has been waiting {span} for its analysis.",
    "alarm.unsent_for_long": "A report or message has been waiting {span} to be sent.",
    "alarm.unread": "A study of priority {priority} that arrived {span} ago is still to be read; the target is"
    " {target}.",
    "alarm.commitment_dead.one": "1 storage commitment could not be answered.",
    "alarm.commitment_dead.many": "{count} storage commitments could not be answered.",
    "alarm.commitment_for_long": "A peer has been waiting {span} for the answer to its storage commitment; it must be"
    " one of `peers`.",
    "alarm.late.receipt_to_flag_seconds": "{source}: 95 % of the results come within {took} of the image;"
    " the target is {target}.",
    "alarm.late.flag_to_read_seconds": "{source}: 95 % of the studies are read within {took} of their first result;"
    " the target is {target}.",
    "alarm.late.receipt_to_confirmed_seconds": "{source}: 95 % of the reports are confirmed within {took} of the image;"
    " the target is {target}.",
    # Who was not let in
    "refused.who": "{title} at {address}",
    "refused.association": "association",
    "refused.connection": "connection",
    "refused.classes_and_more": "{classes} and {count} more",
    "refused.sentence.one": "{who} was refused once, last {moment} ({what})",
    "refused.sentence.many": "{who} was refused {count} times, last {moment} ({what})",
    # Lengths of time
    "duration.days": "{days} d {hours:02d} h",
    "duration.hours": "{hours} h {minutes:02d} min",
    "duration.minutes": "{minutes} min",
    "duration.seconds": "{seconds} s",
}
