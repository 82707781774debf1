"""Every sentence that a reader is shown, by code and language: reports, worklist, page and terminal.

The only place where such sentences stand. A language is a package of modules that hold the same codes with the same
placeholders; tests prove it. English is the original. The Vietnamese texts are complete and **have not been reviewed by
a clinician**.
"""

from service.texts.catalogue import Sentence, Texts, code_of, texts_in

__all__ = ["Sentence", "Texts", "code_of", "texts_in"]
