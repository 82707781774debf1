"""The words for body parts and views in the languages of the departments that send radiographs.

Words are compared whole, without case and accents, so "bilateral" is not "lateral"; scripts that write no spaces are
searched for instead.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Lexicon:
    """Words of one meaning: `words` match whole, `fragments` anywhere."""

    words: frozenset[str]
    fragments: tuple[str, ...] = ()

    def occurs_in(self, text: str) -> bool:
        """Tell whether a text holds one of the words."""
        folded = _fold(text)
        return not self.words.isdisjoint(_WORD.findall(folded)) or any(part in folded for part in self.fragments)


def _fold(text: str) -> str:
    """Return a text in lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).replace("đ", "d")


def _lexicon(words: str, fragments: Iterable[str] = ()) -> Lexicon:
    return Lexicon(frozenset(map(_fold, words.split())), tuple(map(_fold, fragments)))


CHEST = _lexicon(
    "chest cxr thorax thorace torace torax poumon poumons pulmonaire lung lungs lunge lungen longen pulmon "
    "pulmones pulmonar polmone polmoni pulmao pulmoes lungor brost borst piersiowa piersiowej pluc pluca "
    "hrudnik akciger gogus nguc phoi keuhkot thoraks dada paru",
    ("胸部", "胸片", "胸正位", "胸側位", "胸侧位", "肺", "흉부", "صدر", "грудн", "легк", "ทรวงอก", "ปอด"),
)
OTHER_BODY_PART = _lexicon(
    "abdomen abdominal abdo abdome addome kub bauch belly brzuch bung pelvis pelvic becken bassin bacino bacia "
    "hip hips hufte huefte hanche cadera anca knee knees knie genou genoux rodilla ginocchio joelho kolano goi "
    "patella hand hands wrist handgelenk poignet muneca polso pulso finger fingers thumb daumen elbow ellbogen "
    "ellenbogen coude codo gomito cotovelo forearm unterarm humerus shoulder schulter epaule hombro spalla "
    "ombro clavicle clavicula scapula sternum rib ribs rippen spine cspine tspine lspine lumbar cervical "
    "thoracic sacrum coccyx hws bws lws wirbelsaule rachis columna coluna colonna vertebral skull schadel "
    "schaedel crane craneo cranio head kopf tete cabeza sinus sinuses nnh facial orbit orbits mandible nasal "
    "teeth dental neck hals cou cuello foot feet fuss pied ankle sprunggelenk cheville tobillo caviglia "
    "calcaneus heel toe toes leg beine tibia fibula femur thigh oberschenkel extremity breast mammo "
    "mammography",
    (
        *("腹部", "胸椎", "腰椎", "頚椎", "颈椎", "頭部", "头部", "膝", "骨盤", "骨盆", "手部", "足部", "肩"),
        *("복부", "무릎", "بطن", "ركبة", "брюшн", "колен", "позвоноч"),
    ),
)
LATERAL = _lexicon(
    "lateral lat latl laterale laterales laterally profil profile perfil seitlich seitl seitenaufnahme nghieng "
    "boczne bocznym zijdelings dwars ll rl",
    ("側面", "侧位", "側位", "侧面", "측면", "جانبي", "боков", "ด้านข้าง"),
)
FRONTAL = _lexicon(
    "pa ap frontal frontale frente anteroposterior posteroanterior postero antero dorsoventral ventrodorsal "
    "supine thang",
    ("正面", "正位", "後前", "后前", "전후", "후전", "أمامي", "прям"),
)
OBLIQUE = _lexicon(
    "oblique obliques oblicua oblicuo obliqua obl schrag schraeg rao lao rpo lpo chech", ("斜位", "косая")
)
DECUBITUS = _lexicon("decubitus decub decubito seitenlage", ("側臥位", "侧卧"))
