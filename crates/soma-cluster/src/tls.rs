//! What went wrong in a TLS handshake, in words that name the fault; and keys that cannot be read as they are.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

/// The TLS failure somewhere below an error, if that is what it was.
pub(crate) fn fault<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An I/O error shows the source of what it holds, not what it holds.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// The same in words.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list of rustls is open, and its own words serve for the rest")]
pub(crate) fn reason(fault: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    match fault {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => "the server's certificate is signed by nobody that we trust".to_owned(),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate names another host".to_owned()
            }
            Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired".to_owned(),
            other => format!("the server's certificate is refused: {other}"),
        },
        rustls::Error::AlertReceived(alert) => format!("the server ends the TLS handshake ({alert:?})"),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS there".to_owned(),
        other => format!("TLS fails: {other}"),
    }
}

/// Whether a PEM file holds a key behind a password, in any of the forms that there are.
pub(crate) fn is_encrypted(key: &Path) -> bool {
    let marks = ["BEGIN ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];
    std::fs::read_to_string(key).is_ok_and(|text| marks.iter().any(|mark| text.contains(mark)))
}

#[cfg(test)]
mod tests;
