"""What a database error may say."""

import pytest
from sqlalchemy.exc import IntegrityError

from service.core.database import writing
from service.core.records import StudyRecord
from tests.service.ward import Ward


def test_an_error_of_the_database_quotes_no_value_of_its_statement(ward: Ward) -> None:
    study = {"study_instance_uid": "1.2.3", "first_received_at": ward.now, "reading_rank_at": ward.now}
    with pytest.raises(IntegrityError) as raised, writing(ward.engine) as session:
        session.add_all(StudyRecord(**study, priority_source="Ames^Anna") for _ in range(2))
    assert "Ames^Anna" not in str(raised.value)
