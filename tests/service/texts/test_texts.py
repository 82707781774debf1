"""Every language says the same things, and no sentence of a report stands anywhere else."""

import ast
import re
import string
from enum import Enum
from pathlib import Path

import pytest

from service.texts import english, texts_in, vietnamese
from service.texts.catalogue import code_of
from service.vocabulary import facts
from service.vocabulary.acquisition import KvpBand
from service.vocabulary.drift import Characteristic, ReferenceKind
from service.vocabulary.event_details import EventDetail
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.language import Language
from service.vocabulary.orders import OrderEvent, OrderProblem, OrderState
from service.vocabulary.refusals import RefusalReason
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.roles import Role
from service.vocabulary.states import CommitmentState, DeliveryState, Priority, State

ROOT = Path(__file__).parents[3]
FACTS: list[type[Enum]] = [
    *(value for value in vars(facts).values() if isinstance(value, type) and issubclass(value, Enum) and list(value)),
    *(EventDetail, Finding, Outcome, CommitmentState, DeliveryState, Priority, RefusalReason, Role, State, ReportKind),
    *(OrderEvent, OrderProblem, OrderState),
    *(Characteristic, KvpBand, ReferenceKind),
]
#: Modules whose texts a reader is shown.
SHOWN = [
    *("content.py", "sentences.py", "overlay.py", "text_sr.py", "secondary_capture.py", "draft.py", "evidence.py"),
    *("study_content.py", "study_sentences.py", "study_text_sr.py", "text_items.py"),
]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_the_same_codes_with_the_same_placeholders() -> None:
    assert set(vietnamese.TEXTS) == set(english.TEXTS)
    wrong = [code for code, text in english.TEXTS.items() if placeholders(text) != placeholders(vietnamese.TEXTS[code])]
    assert wrong == []


@pytest.mark.parametrize("language", Language)
def test_no_text_is_empty_or_left_in_another_language(language: Language) -> None:
    texts = texts_in(language)
    assert all(texts._texts.values())
    if language is not Language.ENGLISH:
        same = {text for code, text in english.TEXTS.items() if texts._texts[code] == text}
        wordless = {text for text in same if not re.sub(r"{[^}]*}", "", text).strip()}
        assert same == wordless


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: str(kind.__name__))
def test_every_code_of_the_vocabulary_has_words_in_every_language(kind: type[Enum]) -> None:
    for language in Language:
        assert [member for member in kind if not texts_in(language).of(member)] == []


def test_no_text_is_left_over() -> None:
    """A code is either a member of the vocabulary, or written in a module that asks for it."""
    members = {code_of(member) for kind in FACTS for member in kind}
    files = [path for folder in ("service", "worker") for path in (ROOT / folder).rglob("*.*")]
    sources = "\n".join(
        path.read_text().replace("'", '"')
        for path in files
        if path.suffix in (".py", ".html") and path.relative_to(ROOT).parts[:2] != ("service", "texts")
    )
    left = [
        code
        for code in english.TEXTS
        if code not in members
        and not any(f'"{way}"' in sources for way in (code, code.removesuffix(".one").removesuffix(".many")))
        and f'"{code.rpartition(".")[0]}.{{' not in sources
        and not _is_joined(code, sources)
    ]
    assert left == []


def _is_joined(code: str, sources: str) -> bool:
    """Return whether a template joins a code's last part, which it names, to the others."""
    first, _, last = code.rpartition(".")
    return f'"{first}." ~' in sources and f'"{last}"' in sources


@pytest.mark.parametrize("module", SHOWN)
def test_no_sentence_of_a_report_stands_outside_the_texts(module: str) -> None:
    """Two words in a literal are a sentence, unless it is a docstring or an error of auscult's own."""
    tree = ast.parse((ROOT / "service/report" / module).read_text())
    silent: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            silent |= set(ast.walk(node))
    found = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent
        if sum(word.strip(".,:;()").isalpha() for word in node.value.split()) > 1
    ]
    assert found == []


@pytest.mark.parametrize("language", Language)
def test_a_series_description_fits_its_value_representation(language: Language) -> None:
    """LO holds 64 characters, PS3.5 section 6.2."""
    say = texts_in(language)
    for kind in ReportKind:
        assert len(say(f"report.series.{kind}")) <= 64
