"""What the reports say. One idea a line: viewers cut a long one off where it leaves the window."""

TEXTS = {
    "report.series.positive": "AI: PNEUMONIA SUSPECTED (prelim)",
    "report.series.negative": "AI: no pneumonia pattern (prelim)",
    "report.series.indeterminate": "AI: INDETERMINATE (prelim)",
    "report.series.not_analysed": "AI: NOT ANALYSED (prelim)",
    "report.series.text_sr": "{series}",
    "report.series.measurement_sr": "{series}, measurements",
    "report.series.secondary_capture": "{series}, image",
    "report.disclaimer": "Not a medical device; research use. Not for diagnosis.",
    # The result
    "report.result": "AI result (not a radiologist report): {sentence}",
    "report.positive": "PNEUMONIA SUSPECTED, probability {probability}",
    "report.negative": "No pneumonia pattern found by AI; other abnormalities NOT assessed",
    "report.indeterminate": "INDETERMINATE: probability of pneumonia {probability} lies between {lower} (below it:"
    " no pneumonia pattern) and {upper} (from it on: pneumonia suspected)",
    "report.not_analysed": "NOT ANALYSED: {reason}",
    "report.probabilities": "Probabilities: {shares}.",
    "report.share": "{finding} {probability}",
    "report.prevalence": "Assumed share of pneumonia: {prevalence} of the images.",
    "report.type": "Type: {finding} pattern.",
    "report.type_undetermined": "Type: undetermined.",
    "report.note": "Note: {note}",
    "report.malformed": "Note: malformed in the source image and left empty here: {attributes}",
    "report.after_reading": "Note: made after the study was marked as read.",
    # What it takes the place of
    "report.supersedes": "Supersedes {earlier}: {reason}.",
    "report.earlier": "an earlier AI report",
    "report.earlier_of": "the AI report of {moment}",
    # Conclusions
    "report.priority": "Suggested reading priority: {priority}. Preliminary AI output; verify.",
    "report.priority_because": "Suggested reading priority: {priority} ({source}). Preliminary AI output; verify.",
    "report.priority_routine": "{priority}, no change; an AI result never lowers a priority",
    "report.population": "Validated on: {population}",
    "report.operating_point": "Model {model} {version}, operating point {name}: pneumonia suspected from {upper}, no"
    " pneumonia pattern below {lower}, indeterminate between them; assumed prevalence {prevalence}.",
    "report.limits": "Limits: {limits}",
    "report.limits_unknown": "The checkpoint's card, which says what it was not made for, is not at hand or"
    " does not say it.",
    # The picture
    "picture.line": "AI: {result}  |  NOT FOR DIAGNOSIS  |  {model}",
    "picture.probability": "{probability} (prevalence {prevalence})",
    "picture.positive": "PNEUMONIA SUSPECTED {probability}",
    "picture.negative": "No pneumonia pattern found; other abnormalities NOT assessed",
    "picture.indeterminate": "INDETERMINATE {probability}",
    "picture.map": "class activation\nfor pneumonia",
    "picture.scale": "fixed scale,\nnot stretched\n\noutline:\nfrom {least}, in\nthe lung field\n\n"
    "grey: outside it,\nno finding",
    "picture.withheld.no_lung_field": "HEAT MAP WITHHELD: no lung field was found in the image",
    "picture.withheld.off_lungs": "HEAT MAP WITHHELD: most of the activation lies outside the lung field",
}
