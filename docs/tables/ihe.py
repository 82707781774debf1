"""IHE AI Results and AI Workflow for Imaging: what each asks, whether it is there, and the test that shows it."""

from docs.tables import table
from docs.tables.duties import exists, link

_REPORTS = "tests/service/report/test_report_objects.py"
_SUPERSEDING = "tests/service/report/test_report_superseding.py"
_ITEMS = "tests/service/dicom/test_work_items.py"
_EVENTS = "tests/worker/test_work_item_events.py"
_UPS = "tests/worker/channels/test_ups.py"

#: Profile and actor, what it asks, the answer, and the tests or documents that show it.
REQUIREMENTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "AIR, Evidence Creator",
        "the result as a Measurement Report (TID 1500), a group for each finding",
        "yes",
        (f"{_REPORTS}::test_highdicom_reads_one_group_with_region_algorithm_and_distinct_measurements",),
    ),
    (
        "AIR, Evidence Creator",
        "Comprehensive 3D SR Storage",
        "yes; Comprehensive or Enhanced SR with the same content where the destination takes no other",
        (f"{_REPORTS}::test_the_other_sop_classes_hold_the_same_content_under_uids_of_their_own",),
    ),
    (
        "AIR, Evidence Creator",
        "qualitative findings as codes; what is absent is asserted as such",
        "yes",
        (f"{_REPORTS}::test_each_outcome_asserts_its_assessment_and_only_a_positive_a_finding",),
    ),
    (
        "AIR, Evidence Creator",
        "regions as coordinates in the source image",
        "yes, in the lung field of a positive alone",
        (f"{_REPORTS}::test_the_region_of_a_positive_surrounds_the_activated_cells_of_the_lungs",),
    ),
    (
        "AIR, Evidence Creator",
        "tracking identifier and UID for each group",
        "yes",
        (f"{_REPORTS}::test_each_region_has_a_group_of_its_own_with_a_name_of_its_own",),
    ),
    (
        "AIR, Evidence Creator",
        "references to the images that were analysed, in evidence and content",
        "yes",
        (f"{_REPORTS}::test_every_object_is_valid_to_dciodvfy_and_readable_to_dcmtk_and_pydicom",),
    ),
    (
        "AIR, Evidence Creator",
        "the algorithm by name and version, the device by a UID",
        "yes; the UID changes with the checkpoint",
        (f"{_REPORTS}::test_the_device_uid_changes_with_the_checkpoint",),
    ),
    (
        "AIR, Evidence Creator",
        "results in the study of the images, in series of their own",
        "yes",
        (f"{_REPORTS}::test_each_kind_stands_in_a_series_of_its_own_that_is_not_the_images",),
    ),
    (
        "AIR, Evidence Creator",
        "nobody takes a result for a person's report",
        "yes: preliminary and unverified",
        (f"{_REPORTS}::test_documents_are_complete_preliminary_and_unverified",),
    ),
    (
        "AIR, Evidence Creator",
        "a corrected result names the document that it replaces",
        "yes",
        ("tests/service/report/test_report_superseding.py::test_each_document_names_the_predecessor_of_its_own_kind",),
    ),
    (
        "AIR, Evidence Creator",
        "an analysis that failed or was not made is told",
        "yes: a report without a result, with its reason",
        (f"{_REPORTS}::test_a_report_without_analysis_says_how_far_it_came_and_no_probability",),
    ),
    (
        "AIR, Evidence Creator",
        "results are stored at the Image Manager",
        "yes, by C-STORE or STOW-RS, and confirmed",
        (
            "tests/journeys/test_pacs.py::test_every_image_that_the_pacs_forwards_is_reported_and_confirmed_by_it",
            "tests/journeys/test_dicomweb.py::test_what_the_archive_sends_is_reported_into_it_and_confirmed_by_it",
        ),
    ),
    (
        "AIR, Evidence Creator",
        "parametric maps and segmentations",
        "no: a class activation map is no measurement of tissue, and its outline no segmentation",
        ("docs/adr/0009-report-objects.md",),
    ),
    (
        "AIR, Image Display",
        "the primitives are shown over the image",
        "no actor of ours; looked at in OHIF and dwv",
        (
            "tests/journeys/test_viewer.py::test_the_measurement_report_prints_its_probabilities_over_the_image",
            "tests/journeys/test_dwv.py::test_dwv_draws_radiograph_and_heat_map",
        ),
    ),
    (
        "AIW-I, Task Manager",
        "Query UPS Workitems [RAD-81]",
        "yes, by DIMSE",
        (f"{_ITEMS}::test_a_query_finds_what_matches_and_returns_what_it_asks_for",),
    ),
    (
        "AIW-I, Task Manager",
        "Claim UPS Workitem [RAD-82]: one performer has it",
        "yes, by DIMSE",
        (f"{_ITEMS}::test_two_workstations_never_have_one_reading",),
    ),
    (
        "AIW-I, Task Manager",
        "Get and Update UPS Workitem [RAD-83, RAD-84]",
        "yes, by DIMSE",
        (f"{_ITEMS}::test_a_workstation_made_of_dcmjs_dimse_claims_and_completes",),
    ),
    (
        "AIW-I, Task Manager",
        "Complete UPS Workitem [RAD-85]",
        "yes, by DIMSE; what was acknowledged survives a crash",
        ("tests/journeys/test_work_items.py::test_a_completion_is_never_lost_wherever_the_listener_dies",),
    ),
    (
        "AIW-I, Task Manager",
        "Manage UPS Subscription and Send UPS Notification [RAD-86, RAD-87]",
        "yes, by DIMSE; one work item, all, or those that match",
        (
            f"{_EVENTS}::test_a_subscriber_is_told_of_every_change_in_its_order",
            f"{_EVENTS}::test_who_subscribed_to_all_hears_of_new_studies_and_of_what_is_read_elsewhere",
        ),
    ),
    (
        "AIW-I, Task Manager",
        "Create UPS Workitem [RAD-80] from others; any of these by UPS-RS",
        "no: the readings on the list are of our own making, and are offered by DIMSE",
        ("docs/adr/0030-work-items.md",),
    ),
    (
        "AIW-I, Task Requester",
        "Create UPS Workitem [RAD-80]",
        "yes, by DIMSE and UPS-RS",
        (
            f"{_UPS}::test_dcmjs_dimse_gets_one_work_item_that_is_changed_and_completed",
            f"{_UPS}::test_the_same_work_item_goes_over_http",
        ),
    ),
    (
        "AIW-I, Task Requester",
        "Request UPS Workitem Cancelation [RAD-88]",
        "yes, by DIMSE and UPS-RS",
        (f"{_UPS}::test_dcmjs_dimse_cancels_what_was_of_another_patient",),
    ),
    (
        "AIW-I, Task Performer",
        "the analysis of images is asked for by a work item",
        "no: images that are received are analysed, nobody need ask",
        ("docs/conformance.md",),
    ),
)


def ihe() -> str:
    """Return each requirement with its answer and what shows it."""
    rows = [(who, what, answer, ", ".join(map(link, places))) for who, what, answer, places in REQUIREMENTS]
    return table(("profile, actor", "asks for", "answer", "shown by"), rows)


def missing() -> list[str]:
    """Return the documents and tests that are named and are not there."""
    return [place for *_, places in REQUIREMENTS for place in places if not exists(place)]
