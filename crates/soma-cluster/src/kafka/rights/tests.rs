use super::scram::Exchange;
use super::*;
use crate::kafka::settings::Mechanism;

/// The example of RFC 7677, with the nonce that its client draws.
#[test]
fn scram_says_what_the_standard_says() {
    let exchange = Exchange::with_nonce(Mechanism::ScramSha256, "user", "rOprNGfwEbeRWgbNEkqO");
    assert_eq!(exchange.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let (last, answer) = exchange.last("pencil", challenge).expect("a challenge");
    assert_eq!(
        last,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert_eq!(answer, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn a_challenge_that_is_none_is_not_answered() {
    let exchange = Exchange::with_nonce(Mechanism::ScramSha512, "a=b,c", "mine");
    assert_eq!(exchange.first(), "n,,n=a=3Db=2Cc,r=mine");
    for challenge in ["", "r=other,s=AAAA,i=4096", "r=mine1,s=AAAA,i=0", "r=mine1,s=AAAA,i=99999999", "r=mine1,s=!,i=1"]
    {
        assert!(exchange.last("pencil", challenge.as_bytes()).is_none(), "{challenge}");
    }
}

#[test]
fn rights_are_read_from_bits_and_an_answer_without_them_is_none() {
    assert_eq!(operations(0b1_0001_1000), Some(vec![Operation::Read, Operation::Write, Operation::Describe]));
    assert_eq!(operations(1 << 8), Some(vec![Operation::Describe]));
    assert_eq!(operations(0), Some(Vec::new()));
    assert_eq!(operations(i32::MIN), None);
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    for answer in [&[][..], &[0, 0, 0], &[0, 0, 0, 1], &[0, 0, 0, 1, 0, 5, b'a'], &[0x7f, 0xff, 0xff, 0xff]] {
        assert!(Reader::new(answer).each(Reader::text).is_err(), "{answer:?}");
    }
    assert_eq!(Reader::new(&[0, 0, 0, 1, 0, 1, b'a']).each(Reader::text).expect("an array"), ["a"]);
    assert_eq!(Reader::new(&[0xff, 0xff]).text().expect("no text"), "");
}

#[test]
fn what_is_missing_is_named_with_the_user() {
    let mut settings = Settings::new("broker:9092");
    let lacking = Work { appends: true, projects: false }.needs(&settings);
    let error = refusal(&settings, &lacking).to_string();
    assert!(error.contains("this user") && error.contains("Write on topic memory.events"), "{error}");
    settings.security.protocol = crate::kafka::Protocol::SaslSsl;
    settings.security.username = Some("guest".to_owned());
    let error = refusal(&settings, &Work::ALL.needs(&settings)).to_string();
    for words in
        ["the user guest", "Read on topic memory.events", "Write on topic memory.dlq", "Read on consumer group"]
    {
        assert!(error.contains(words), "{words}: {error}");
    }
}
