"""What the listener offers, and its answer to the presentation contexts that a peer proposes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from service.dicom.associate import AnsweredContext, AssociateAnswer, AssociateRequest, ProposedContext, UserInformation

#: Results of presentation contexts (PS3.8 Table 9-18).
ACCEPTANCE, USER_REJECTION, ABSTRACT_SYNTAX_NOT_SUPPORTED, TRANSFER_SYNTAXES_NOT_SUPPORTED = 0, 1, 3, 4
#: Stands in the answer to a context that is not accepted, where it has no meaning (PS3.8 Table 9-18).
_NO_MEANING = "1.2.840.10008.1.2"


@dataclass(frozen=True)
class Offer:
    """What the listener takes.

    Parameters
    ----------
    transfer_syntaxes
        By SOP class, the preferred ones first.
    both_roles
        SOP classes of which we can be SCU as well, where the peer selects roles (PS3.7 Annex D.3.3.4).
    information
        What we say of ourselves.
    """

    transfer_syntaxes: Mapping[str, Collection[str]]
    both_roles: frozenset[str]
    information: UserInformation

    def answer(self, request: AssociateRequest) -> AssociateAnswer:
        """Return our answer to a request: each context once, in the order of the request."""
        roles = {uid: role for uid, role in request.information.roles.items() if uid in self.both_roles}
        answered = tuple(self._answered(context, roles) for context in _distinct(request.contexts))
        # Roles may be answered for SOP classes that were accepted alone.
        taken = {
            context.abstract_syntax
            for context, answer in zip(_distinct(request.contexts), answered, strict=True)
            if answer.result == ACCEPTANCE
        }
        said = self.information
        return AssociateAnswer(
            answered,
            UserInformation(
                said.maximum_length,
                said.implementation_class_uid,
                said.implementation_version_name,
                {uid: role for uid, role in roles.items() if uid in taken},
            ),
        )

    def _answered(self, context: ProposedContext, roles: Mapping[str, tuple[bool, bool]]) -> AnsweredContext:
        taken = self.transfer_syntaxes.get(context.abstract_syntax)
        if taken is None:
            return AnsweredContext(context.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED, _NO_MEANING)
        syntax = next((syntax for syntax in taken if syntax in context.transfer_syntaxes), None)
        if syntax is None:
            return AnsweredContext(context.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED, _NO_MEANING)
        if roles.get(context.abstract_syntax) == (False, False):
            return AnsweredContext(context.context_id, USER_REJECTION, syntax)
        return AnsweredContext(context.context_id, ACCEPTANCE, syntax)


def _distinct(contexts: Iterable[ProposedContext]) -> list[ProposedContext]:
    """Return the contexts without those whose ID came before: an ID has one meaning, the first."""
    return list({context.context_id: context for context in reversed(list(contexts))}.values())[::-1]
