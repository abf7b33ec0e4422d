//! Names, stems, and what an index says of its language.

use super::*;
use crate::embed::hash::HashEmbedder;
use crate::embed::words::Stems;

#[test]
fn every_language_is_known_by_its_name() {
    for language in Language::ALL {
        assert_eq!(Language::parse(language.as_str()), Some(language));
    }
    assert!(Language::ALL.map(Language::as_str).is_sorted());
    assert_eq!(Language::parse("English"), None);
}

#[test]
fn words_are_cut_by_the_rules_of_their_language() {
    let stem = |language, word| Stems::in_language(language).of(word).into_owned();
    assert_eq!(stem(Language::English, "boats"), "boat");
    assert_eq!(stem(Language::German, "häusern"), stem(Language::German, "haus"));
    assert_eq!(stem(Language::Russian, "книги"), stem(Language::Russian, "книга"));
    assert_eq!(stem(Language::Russian, "живёт"), stem(Language::Russian, "живет"));
    assert_eq!(stem(Language::Russian, "озёра"), stem(Language::Russian, "озеро"));
    assert_eq!(stem(Language::English, "häusern"), "häusern");
    assert_eq!(stem(Language::German, "b12"), "b12");
    assert_eq!(stem(Language::None, "boats"), "boats");
}

#[test]
fn an_index_in_another_language_than_english_says_so() {
    let hash: Arc<dyn Embedder> = Arc::new(HashEmbedder::default());
    let english = speaking(Arc::clone(&hash), Language::English);
    assert_eq!(english.identity(), hash.identity());
    let finnish = speaking(Arc::clone(&hash), Language::Finnish);
    let german = speaking(Arc::clone(&hash), Language::German);
    // Another name than before German function words were left out: what was filled then is refused.
    assert_eq!((german.identity().name.as_str(), german.language()), ("hash+german.2", Language::German));
    let russian = speaking(Arc::clone(&hash), Language::Russian);
    assert_eq!(russian.identity().name, "hash+russian.3", "words with ё are indexed as those with е");
    assert_eq!(finnish.identity().name, "hash+finnish", "it leaves out what it did");
}

proptest::proptest! {
    #[test]
    fn no_word_is_too_strange_for_a_stemmer(word in "\\PC{0,12}|[a-zäöüéßøåçğışłñ]{0,12}|[а-яёάέα-ω]{0,12}|[ء-ي]{0,12}|[அ-ஹா-ௌ]{0,12}") {
        for language in Language::ALL {
            let word = word.to_lowercase();
            proptest::prop_assert!(word.is_empty() || Stems::in_language(language).of(&word).len() <= word.len() + 8);
        }
    }
}
