import pytest

from models.precision import Int8, why_not_int8

VNNI = "x86_64 avx2 avx512_vnni"
WITHIN = {"auc fall": 0.002, "equal outcomes": 0.99, "nll rise": -0.1}


def test_int8_is_offered_where_every_bound_holds_on_all_data() -> None:
    int8 = Int8(160, {"val": WITHIN, "fullres": WITHIN})
    assert why_not_int8("net", int8, VNNI) is None
    assert why_not_int8("net", int8, "aarch64 asimd") is None


@pytest.mark.parametrize(
    ("int8", "processor", "words"),
    [
        (None, VNNI, "no measured graph"),
        (Int8(160, {}), VNNI, "no measured graph"),
        (Int8(160, {"fullres": WITHIN}), VNNI, "no measured graph"),
        (Int8(160, {"val": {**WITHIN, "auc fall": 0.0021}}), VNNI, "auc fall on val is 0.0021, at most 0.002"),
        (Int8(160, {"val": WITHIN, "fullres": {"equal outcomes": 0.98}}), VNNI, "equal outcomes on fullres is 0.98"),
        (Int8(160, {"val": {"nll rise": float("nan")}}), VNNI, "nll rise"),
        (Int8(160, {"val": WITHIN}), "x86_64 avx2", "no VNNI"),
    ],
)
def test_a_refusal_says_why(int8: Int8 | None, processor: str, words: str) -> None:
    assert words in str(why_not_int8("net", int8, processor))
