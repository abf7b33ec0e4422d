use super::*;

fn words(text: &str) -> Vec<String> {
    Words::of(text).iter().map(str::to_owned).collect()
}

#[test]
fn every_list_of_function_words_can_be_searched_and_holds_words_as_they_are_cut() {
    for language in Language::ALL {
        let list = stop::words(language);
        assert!(list.is_sorted_by(|a, b| a < b), "{language:?}");
        for word in list {
            assert_eq!(words(word), [*word], "{language:?}");
        }
    }
}

#[test]
fn function_words_are_those_of_the_language() {
    for (language, text, content) in [
        (Language::German, "Wann hat Jana das Boot für uns repariert?", &["jana", "boot", "repariert"][..]),
        (Language::French, "Où est-ce qu'il a rangé l'échelle de la grange ?", &["rangé", "échelle", "grange"]),
        (Language::Spanish, "¿Quién está en la cocina con mi hermana?", &["cocina", "hermana"]),
        (Language::Portuguese, "Onde é que você guardou as chaves da garagem?", &["guardou", "chaves", "garagem"]),
        (
            Language::Italian,
            "Perché l'orologio della torre non è più nell'ufficio?",
            &["orologio", "torre", "non", "più", "ufficio"],
        ),
        (Language::Dutch, "Waarom heeft hij de sleutel van het schuurtje niet?", &["sleutel", "schuurtje", "niet"]),
        (Language::Swedish, "När var du i stugan vid sjön?", &["stugan", "sjön"]),
        (Language::Danish, "Hvad har hun sagt til sin bror?", &["sagt", "bror"]),
        (Language::Norwegian, "Hvorfor er båten ikke på vannet?", &["båten", "ikke", "vannet"]),
        (Language::Russian, "Где он был в мае?", &["мае"]),
        (Language::Russian, "Кто её и ее брат?", &["брат"]),
        // What has no list of its own leaves English ones out, as ever.
        (Language::Finnish, "the vene ja who", &["vene", "ja"]),
    ] {
        assert_eq!(Words::of(text).content(language).collect::<Vec<_>>(), content, "{language:?}");
    }
    // A word of another language is a word.
    assert!(is_stop("die", Language::German) && !is_stop("die", Language::English));
    assert!(is_stop("will", Language::English) && !is_stop("will", Language::German));
}

#[test]
fn english_is_runs_of_letters_and_digits_without_possessives() {
    assert_eq!(words("Caroline's 2nd BOAT, it's e-mail!"), ["caroline", "2nd", "boat", "it", "e", "mail"]);
    assert_eq!(words("can't 'sail' 3.14 a_b"), ["can", "t", "sail", "3", "14", "a", "b"]);
    assert_eq!(words("'s 's"), ["s", "s"]);
    assert_eq!(words(" \t!?"), Vec::<String>::new());
}

#[test]
fn a_letter_beyond_ascii_elsewhere_changes_no_other_word() {
    let ascii = "Caroline's 2nd BOAT, it's e-mail! can't 'sail' 3,000 a_b x.y";
    let mut expected = words(ascii);
    expected.push("née".to_owned());
    assert_eq!(words(&format!("{ascii} née")), expected);
}

#[test]
fn one_word_has_one_spelling_however_it_was_typed() {
    assert_eq!(words("CAFÉ"), words("cafe\u{301}"));
    assert_eq!(words("ＡＢＣ１２"), ["abc12"]);
    assert_eq!(words("André’s"), ["andré"]);
    assert_eq!(words("Straße Ελλάδα Москва"), ["straße", "ελλάδα", "москва"]);
}

#[test]
fn scripts_without_spaces_give_characters_and_pairs() {
    assert_eq!(words("東京都 x"), ["東", "東京", "京", "京都", "都", "x"]);
    assert_eq!(words("カフェ"), ["カ", "カフ", "フ", "フェ", "ェ"]);
    assert_eq!(words("東 京"), ["東", "京"]);
    assert!(words("สวัสดี").len() > 2);
}

#[test]
fn content_leaves_out_function_words() {
    let all = Words::of("What did the cat do in May?");
    assert_eq!(all.content(Language::English).collect::<Vec<_>>(), ["cat", "may"]);
}

#[test]
fn a_name_is_contained_as_whole_words_in_sequence() {
    let question = Words::of("What did Ann Lee's mother say?");
    assert!(question.contain(&Words::of("ann lee")));
    assert!(question.contain(&Words::of("Ann")));
    assert!(!question.contain(&Words::of("An")));
    assert!(!question.contain(&Words::of("Lee Ann")));
    assert!(!question.contain(&Words::of("!")));
}

#[test]
fn only_words_of_ascii_letters_are_stemmed() {
    let stems = Stems::in_language(Language::English);
    assert_eq!(stems.of("sailing"), "sail");
    assert_eq!(stems.of("january"), "januari");
    assert_eq!(stems.of("2nds"), "2nds");
    assert_eq!(stems.of("écoles"), "écoles");
}

proptest::proptest! {
    #[test]
    fn words_are_never_empty_and_lie_in_order(text in ".{0,60}") {
        let words = Words::of(&text);
        for span in &words.spans {
            proptest::prop_assert!(span.start < span.end);
            proptest::prop_assert!(words.folded.get(span.clone()).is_some());
        }
    }
}

#[test]
fn names_are_left_out_of_a_text_that_has_something_else_to_say() {
    let names = ["Mia", "Anna Lee", "Zoë"].map(Words::of);
    let rest = |text| without(text, &names, Language::English);
    assert_eq!(rest("When did Mia's brother meet Anna Lee?"), Some("When did brother meet ?".into()));
    assert_eq!(rest("MIA'S car"), Some("car".into()));
    assert_eq!(rest("What did Zoë\u{2019}s friend sing to zoë"), Some("what did friend sing to".into()));
    assert_eq!(rest("Anna met Lee"), None, "a name has all of its words");
    assert_eq!(rest("Who is Mia?"), None, "nothing would be left");
    assert_eq!(without("Wer ist Mia?", &names, Language::German), None, "nor here");
    assert_eq!(rest("Miami"), None);
    assert_eq!(rest(""), None);
}
