"""The list as work items that workstations claim and complete."""

from pydantic import Field

from service.settings.kinds import AeTitle, Label, Seconds, Section


class WorkItemSettings(Section):
    """The list as work items that workstations claim and complete by DICOM (`[work_items]`; PS3.4 Annex CC)."""

    ae_titles: frozenset[AeTitle] = Field(
        frozenset(),
        description="Calling AE titles that may query, claim, complete and subscribe; empty offers none of it.",
    )
    claim_limit: Seconds = Field(
        14400.0,
        description="Seconds after which a claim ends of whose workstation nothing is heard; then the study is offered"
        " again.",
    )
    worklist_label: Label = Field("Chest radiographs", description="Worklist Label (0074,1202) of every work item.")
    step_label: Label = Field("Chest radiograph reading", description="Procedure Step Label (0074,1204).")
    retrieve_ae_title: AeTitle | None = Field(
        None, description="AE title that a workstation retrieves the images from; who sent us the image when absent."
    )
