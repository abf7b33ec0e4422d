//! Faults are found wherever they stand, and told in words.

use std::fs;
use std::io;

use rustls::{CertificateError, Error, InvalidMessage};

use super::{fault, is_encrypted, reason};

#[test]
fn a_fault_is_found_inside_what_carries_it() {
    let inner = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let carried = io::Error::other(io::Error::other(inner.clone()));
    assert_eq!(fault(&inner), Some(&inner));
    assert_eq!(fault(&io::Error::other(inner.clone())), Some(&inner));
    assert_eq!(fault(&carried), Some(&inner));
    assert_eq!(fault(&io::Error::other("no TLS at all")), None);
}

#[test]
fn the_faults_that_operators_make_have_words_of_their_own() {
    for (fault, words) in [
        (Error::InvalidCertificate(CertificateError::UnknownIssuer), "nobody that we trust"),
        (Error::InvalidCertificate(CertificateError::NotValidForName), "another host"),
        (Error::InvalidCertificate(CertificateError::Expired), "expired"),
        (Error::InvalidMessage(InvalidMessage::InvalidContentType), "does not speak TLS"),
    ] {
        assert!(reason(&fault).contains(words), "{fault}");
    }
}

#[test]
fn a_key_behind_a_password_is_told_from_one_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    for (text, encrypted) in [
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----\n", true),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMII=\n", true),
        ("-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n", false),
    ] {
        fs::write(&key, text).expect("a file");
        assert_eq!(is_encrypted(&key), encrypted, "{text}");
    }
    assert!(!is_encrypted(&folder.path().join("none")));
}
