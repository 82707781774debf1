"""What is said of people's opinions of the AI's results."""

TEXTS = {
    "command.feedback_kept": "kept; `auscult show` lists what was said of the study",
    "command.no_result": "{uid} is no image with an AI result in force; `auscult show` lists those of a study",
    "command.which_image": "the study has several images with a result; name one: {uids}",
    "export.feedback": "{count} images; look at the pictures before you give them away: what is burned into the pixels"
    " is not removed",
    "export.left_out": "left out: {count}, {why}",
    "export.folder": "{folder} holds something already; name a folder that is empty or not there",
    "agreement.link": "Agreement",
    "agreement.title": "Agreement with the AI",
    "agreement.what": "Of each person and result the newest opinion counts; those who could not tell take no part"
    " in the share. Intervals are of 95 % (Wilson). People choose what they give an opinion on,"
    " so this is no measure of accuracy.",
    "agreement.none": "nobody has said anything of an AI result yet; `auscult feedback give` does",
    "agreement.all": "all",
    "agreement.no_name": "not named",
    "agreement.group": "group",
    "agreement.share": "agreement",
    "agreement.interval": "95 % interval",
}
