//! Function words by language: they carry no meaning of their own, so they are not indexed.
//!
//! Articles, pronouns, prepositions, conjunctions, question words and the forms of *to be* and *to have*;
//! no negations and no numbers, which are asked for, and nothing that is also a common noun or a name. The
//! lists are short on purpose: a long one made retrieval worse. A word stands as it is cut, so what is
//! elided before an apostrophe (`l'eau`) stands alone. Each list is sorted, for binary search, and changes
//! only together with the name of the language in an index's identity.

use crate::embed::language::Language;

/// The function words of a language; those of English where there is no list.
pub(super) fn words(language: Language) -> &'static [&'static str] {
    own(language).unwrap_or(&ENGLISH)
}

/// The list of a language, if it has one.
pub(super) const fn own(language: Language) -> Option<&'static [&'static str]> {
    Some(match language {
        Language::Danish => &DANISH,
        Language::Dutch => &DUTCH,
        Language::English => &ENGLISH,
        Language::French => &FRENCH,
        Language::German => &GERMAN,
        Language::Italian => &ITALIAN,
        Language::Norwegian => &NORWEGIAN,
        Language::Portuguese => &PORTUGUESE,
        Language::Russian => &RUSSIAN,
        Language::Spanish => &SPANISH,
        Language::Swedish => &SWEDISH,
        Language::Arabic
        | Language::Finnish
        | Language::Greek
        | Language::Hungarian
        | Language::None
        | Language::Romanian
        | Language::Tamil
        | Language::Turkish => return None,
    })
}

const DANISH: [&str; 70] = [
    "af", "at", "blev", "bliver", "de", "dem", "den", "denne", "deres", "det", "dette", "dig", "din", "dine", "disse",
    "dit", "du", "eller", "en", "er", "et", "for", "fra", "ham", "han", "har", "havde", "hende", "hendes", "hos",
    "hun", "hvad", "hvem", "hvilke", "hvilken", "hvilket", "hvor", "hvordan", "hvorfor", "hvornår", "i", "jeg", "jer",
    "kan", "med", "men", "mig", "min", "mine", "mit", "og", "om", "os", "over", "på", "sig", "sin", "sine", "sit",
    "skulle", "som", "så", "til", "under", "var", "ved", "vi", "vores", "være", "været",
];

const DUTCH: [&str; 72] = [
    "aan", "als", "ben", "bent", "bij", "dan", "dat", "de", "deze", "die", "dit", "een", "en", "er", "had", "hadden",
    "heb", "hebben", "heeft", "hem", "hen", "het", "hij", "hoe", "hun", "ik", "in", "is", "je", "jij", "jou", "jouw",
    "jullie", "kan", "maar", "me", "met", "mij", "mijn", "naar", "of", "om", "ons", "onze", "op", "over", "te", "tot",
    "u", "uit", "uw", "van", "voor", "waar", "waarom", "wanneer", "waren", "was", "wat", "we", "welk", "welke", "werd",
    "werden", "wie", "wij", "worden", "wordt", "ze", "zij", "zijn", "zo",
];

const ENGLISH: [&str; 62] = [
    "a", "am", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does", "for",
    "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "is", "it", "its", "me", "my", "of",
    "on", "or", "our", "she", "so", "t", "that", "the", "their", "them", "they", "this", "to", "was", "we", "were",
    "what", "when", "where", "which", "who", "why", "will", "with", "would", "you", "your", "yours",
];

const FRENCH: [&str; 89] = [
    "a", "ai", "as", "au", "aux", "avaient", "avait", "avec", "avoir", "c", "ce", "ces", "cet", "cette", "chez",
    "comme", "comment", "d", "dans", "de", "des", "du", "elle", "elles", "en", "es", "est", "et", "il", "ils", "j",
    "je", "l", "la", "le", "les", "leur", "leurs", "lui", "m", "ma", "mais", "me", "mes", "mon", "nos", "notre",
    "nous", "on", "ont", "ou", "où", "par", "pour", "pourquoi", "qu", "quand", "que", "quel", "quelle", "quelles",
    "quels", "qui", "quoi", "s", "sa", "se", "ses", "si", "son", "sont", "suis", "sur", "t", "ta", "te", "tes", "ton",
    "tu", "un", "une", "vos", "votre", "vous", "y", "à", "étaient", "était", "être",
];

const GERMAN: [&str; 87] = [
    "aber", "als", "am", "an", "auf", "aus", "bei", "beim", "bin", "das", "dass", "daß", "dein", "deine", "dem", "den",
    "der", "des", "dich", "die", "dir", "du", "ein", "eine", "einem", "einen", "einer", "eines", "er", "es", "für",
    "habe", "haben", "hat", "hatte", "hatten", "ich", "ihm", "ihn", "ihnen", "ihr", "ihre", "im", "in", "ist", "kann",
    "mein", "meine", "mich", "mir", "mit", "nach", "oder", "sein", "seine", "sich", "sie", "sind", "so", "um", "und",
    "uns", "unser", "unsere", "vom", "von", "wann", "war", "waren", "warum", "was", "welche", "welcher", "welches",
    "wenn", "wer", "werden", "wie", "wir", "wird", "wo", "wurde", "wurden", "zu", "zum", "zur", "über",
];

const ITALIAN: [&str; 92] = [
    "a", "ad", "ai", "al", "all", "alla", "alle", "allo", "aveva", "c", "che", "chi", "ci", "come", "con", "cos",
    "cosa", "d", "da", "dal", "dalla", "degli", "dei", "del", "dell", "della", "delle", "dello", "di", "dove", "e",
    "ed", "era", "erano", "essere", "gli", "ha", "hai", "hanno", "ho", "i", "il", "in", "io", "l", "la", "le", "lei",
    "lo", "loro", "lui", "ma", "mi", "mia", "mio", "nei", "nel", "nell", "nella", "nelle", "noi", "nostra", "nostro",
    "o", "per", "perché", "quale", "quali", "quando", "quella", "quello", "questa", "questo", "se", "si", "sono",
    "stato", "su", "sua", "sul", "sulla", "suo", "ti", "tu", "tua", "tuo", "un", "una", "uno", "vi", "voi", "è",
];

const NORWEGIAN: [&str; 72] = [
    "at", "av", "ble", "blir", "de", "deg", "dem", "den", "denne", "dere", "deres", "det", "dette", "din", "dine",
    "disse", "ditt", "du", "ei", "eller", "en", "er", "et", "for", "fra", "hadde", "ham", "han", "har", "henne",
    "hennes", "hos", "hun", "hva", "hvem", "hvilke", "hvilken", "hvilket", "hvor", "hvordan", "hvorfor", "i", "jeg",
    "kan", "med", "meg", "men", "min", "mine", "mitt", "når", "og", "om", "oss", "over", "på", "seg", "sin", "sine",
    "sitt", "skulle", "som", "så", "til", "under", "var", "ved", "vi", "våre", "vårt", "være", "vært",
];

const PORTUGUESE: [&str; 84] = [
    "a", "ao", "aos", "as", "com", "como", "da", "das", "de", "do", "dos", "e", "ela", "elas", "ele", "eles", "em",
    "era", "eram", "essa", "esse", "esta", "estava", "este", "está", "estão", "eu", "foi", "foram", "há", "isso",
    "isto", "lhe", "lhes", "mas", "me", "meu", "meus", "minha", "minhas", "na", "nas", "no", "nos", "nossa", "nosso",
    "nós", "o", "onde", "os", "ou", "para", "pela", "pelo", "por", "quais", "qual", "quando", "que", "quem", "se",
    "ser", "seu", "seus", "sou", "sua", "suas", "são", "te", "tem", "teu", "tinha", "tu", "tua", "têm", "um", "uma",
    "umas", "uns", "você", "vocês", "à", "às", "é",
];

const RUSSIAN: [&str; 84] = [
    "а",
    "бы",
    "был",
    "была",
    "были",
    "было",
    "быть",
    "в",
    "вам",
    "вас",
    "ваш",
    "ваша",
    "во",
    "вы",
    "где",
    "для",
    "до",
    "его",
    "ее",
    "ей",
    "ему",
    "её",
    "же",
    "за",
    "и",
    "из",
    "или",
    "им",
    "их",
    "к",
    "как",
    "ко",
    "когда",
    "которая",
    "которые",
    "который",
    "кто",
    "ли",
    "меня",
    "мне",
    "мои",
    "мой",
    "моя",
    "мы",
    "на",
    "над",
    "нам",
    "нас",
    "наш",
    "наша",
    "но",
    "о",
    "об",
    "он",
    "она",
    "они",
    "оно",
    "от",
    "по",
    "под",
    "почему",
    "при",
    "с",
    "свой",
    "своя",
    "со",
    "та",
    "так",
    "твой",
    "твоя",
    "те",
    "тебе",
    "тебя",
    "то",
    "тот",
    "ты",
    "у",
    "что",
    "чтобы",
    "эта",
    "эти",
    "это",
    "этот",
    "я",
];

const SPANISH: [&str; 85] = [
    "a", "al", "como", "con", "cual", "cuando", "cuál", "cuáles", "cuándo", "cómo", "de", "del", "donde", "dónde", "e",
    "el", "ella", "ellas", "ellos", "en", "era", "eran", "eres", "es", "esa", "ese", "eso", "esta", "estaba", "estas",
    "este", "estos", "está", "están", "fue", "fueron", "ha", "había", "han", "hay", "he", "la", "las", "le", "les",
    "lo", "los", "me", "mi", "mis", "nos", "nosotros", "nuestra", "nuestro", "o", "para", "pero", "por", "que",
    "quien", "quienes", "quién", "qué", "se", "ser", "si", "sobre", "son", "soy", "su", "sus", "te", "tu", "tus", "tú",
    "u", "un", "una", "unas", "unos", "usted", "ustedes", "y", "yo", "él",
];

const SWEDISH: [&str; 71] = [
    "att", "av", "blev", "blir", "de", "dem", "den", "denna", "deras", "dessa", "det", "detta", "dig", "din", "dina",
    "ditt", "du", "eller", "en", "er", "ett", "från", "för", "hade", "han", "har", "henne", "hennes", "hon", "honom",
    "hos", "hur", "i", "jag", "kan", "med", "men", "mig", "min", "mina", "mitt", "ni", "när", "och", "om", "oss", "på",
    "sig", "sin", "sina", "sitt", "skulle", "som", "så", "till", "under", "vad", "var", "vara", "varför", "varit",
    "vem", "vi", "vid", "vilka", "vilken", "vilket", "våra", "vårt", "är", "över",
];
