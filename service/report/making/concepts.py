"""Our concepts as highdicom takes them (PS3.3 section 8.8, Code Sequence macro)."""

from highdicom.sr import CodedConcept

from service.vocabulary.concepts import Concept


def coded(concept: Concept) -> CodedConcept:
    """Return a concept as highdicom writes it."""
    return CodedConcept(concept.value, concept.scheme, concept.meaning)
