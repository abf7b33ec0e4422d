//! Code and words are told apart, and no line moves.

use super::Views;

#[track_caller]
fn splits(text: &str, code: &str, words: &str) {
    let views = Views::of(text);
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeeze(&views.code), code);
    assert_eq!(squeeze(&views.words), words);
    assert_eq!(views.code.lines().count(), text.lines().count());
    assert_eq!(views.words.lines().count(), text.lines().count());
}

#[test]
fn line_comments_are_words() {
    splits("let a = 1; // std::fs here\nlet b;", "let a = 1; let b;", "// std::fs here");
}

#[test]
fn block_comments_nest() {
    splits("a /* x /* y */ z */ b", "a b", "/* x /* y */ z */");
}

#[test]
fn strings_are_words_and_escapes_do_not_end_them() {
    splits(r#"f("say \"hi\" // no comment"); g()"#, r#"f(" "); g()"#, r#"say \"hi\" // no comment"#);
}

#[test]
fn raw_strings_end_at_their_own_hashes() {
    splits(r##"f(r#"a "quoted" b"#); g()"##, r##"f(r#" "#); g()"##, r#"a "quoted" b"#);
    splits("f(br\"a\\\"); g()", "f(br\" \"); g()", "a\\");
}

#[test]
fn raw_identifiers_are_code() {
    splits("let r#type = 1;", "let r#type = 1;", "");
    splits("for\"a\"", "for\" \"", "a");
}

#[test]
fn quotes_are_literals_or_lifetimes() {
    splits(
        "fn f<'a>(c: &'a str) { m('\"'); n('\\''); o('\\u{41}') }",
        "fn f<'a>(c: &'a str) { m(' '); n(' '); o(' ') }",
        "\" \\' \\u{41}",
    );
}

#[test]
fn an_unfinished_literal_is_no_panic() {
    for text in ["\"abc", "r#\"abc", "/* abc", "'\\", "'", "\"\\"] {
        let _ = Views::of(text);
    }
}
