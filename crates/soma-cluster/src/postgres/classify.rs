//! What a failure of PostgreSQL means to its reader.
//!
//! Classes 22, 23 and 54 are about a row: it alone is refused. What goes away by itself is
//! `unavailable` or `contended`. What cannot go away is told at the start as `bad_config`, before
//! anything depends on it; later it is `unavailable`, so that a projector waits for the operator and
//! loses nothing. Texts of row errors may quote the row, so they are not kept.

use std::error::Error as _;

use deadpool_postgres::{PoolError, TimeoutType};
use soma_core::error::{Code, Error};
use tokio_postgres::Error as PgError;

use crate::tls;

const GRANT: &str = "as the owner: GRANT USAGE, CREATE ON SCHEMA <schema> TO <user>; GRANT ALL ON ALL TABLES IN SCHEMA \
                     <schema> TO <user>; GRANT ALL ON ALL SEQUENCES IN SCHEMA <schema> TO <user>";
const ADMISSION: &str = "check user and password in POSTGRES_URL, and pg_hba.conf on the server";

/// The code for an SQLSTATE, and what to do about it.
pub(super) fn state(state: &str) -> (Code, Option<&'static str>) {
    let class = state.get(..2).unwrap_or_default();
    match (state, class) {
        ("53100", _) => (Code::StorageFull, Some("free space on the disk of the PostgreSQL server")),
        ("53300", _) => (Code::Unavailable, Some("raise max_connections of the server, or lower POSTGRES_POOL_SIZE")),
        ("55P03" | "23505", _) | (_, "40") => (Code::Contended, None),
        ("25006", _) => {
            (Code::Unavailable, Some("connect to the primary: add target_session_attrs=read-write to the URL"))
        }
        ("42501", _) => (Code::Unavailable, Some(GRANT)),
        ("3D000", _) => (Code::Unavailable, Some("create the database, or name another one in POSTGRES_URL")),
        (_, "28") => (Code::Unavailable, Some(ADMISSION)),
        (_, "22" | "23" | "54") | ("P0001", _) => (Code::StoreRejected, None),
        ("XX001" | "XX002", _) => (Code::Corrupt, Some("look at the server's log: PostgreSQL found damaged data")),
        ("42P01" | "42703" | "42704" | "42883" | "3F000", _) => {
            (Code::Corrupt, Some("the tables were changed from outside: restore them, or start with an empty schema"))
        }
        (_, "08" | "25" | "53" | "55" | "57" | "58" | "XX") => (Code::Unavailable, None),
        _ => (Code::Internal, None),
    }
}

/// What it means that PostgreSQL could not do something.
pub(super) fn failed(what: &str, e: PgError) -> Error {
    let Some(found) = e.as_db_error() else { return transport(what, e) };
    let sqlstate = found.code().code();
    let (code, remedy) = state(sqlstate);
    let about_row = matches!(sqlstate.get(..2), Some("22" | "23" | "54"));
    let error = if about_row {
        Error::new(code, format!("PostgreSQL could not {what}: it refuses a row (SQLSTATE {sqlstate})"))
    } else {
        let message = found.message().to_owned();
        Error::new(code, format!("PostgreSQL could not {what}: {message} (SQLSTATE {sqlstate})")).because(e)
    };
    match remedy {
        Some(remedy) => error.remedy(remedy),
        None => error,
    }
}

/// Whether the connection is gone, so that nobody can know how the transaction ended.
pub(super) fn is_lost(e: &PgError) -> bool {
    match e.as_db_error() {
        Some(found) => matches!(found.code().code(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04"),
        None => !is_defect(e),
    }
}

/// The client itself refused to send or to read: nothing is wrong with the connection.
fn is_defect(e: &PgError) -> bool {
    let text = e.to_string();
    ["error serializing", "error deserializing", "invalid column", "expected ", "query returned"]
        .iter()
        .any(|beginning| text.starts_with(beginning))
}

fn transport(what: &str, e: PgError) -> Error {
    if is_defect(&e) {
        return Error::new(Code::Internal, format!("PostgreSQL was not asked to {what}: {e}")).because(e);
    }
    let message = format!("PostgreSQL could not {what}: {}", reason(&e));
    Error::new(Code::Unavailable, message).because(e)
}

/// What is underneath, in words.
fn reason(e: &PgError) -> String {
    if let Some(fault) = tls::fault(e) {
        return tls::reason(fault);
    }
    match e.source() {
        Some(source) => format!("{e}: {source}"),
        None => e.to_string(),
    }
}

/// What mends a handshake that failed.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list of rustls is open, and one remedy serves for the rest")]
fn tls_remedy(fault: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    match fault {
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "name the authority that signed the server's certificate in POSTGRES_SSL_ROOT_CERT"
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "use a host in POSTGRES_URL that the certificate names, or POSTGRES_SSL_MODE=verify-ca, which minds no name"
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "renew the server's certificate; if it is not over, set the clock of this machine"
        }
        rustls::Error::AlertReceived(_) => {
            "set POSTGRES_SSL_CERT and POSTGRES_SSL_KEY to a certificate whose authority the server knows (its ssl_ca_file)"
        }
        _ => {
            "check POSTGRES_SSL_ROOT_CERT, POSTGRES_SSL_CERT and the host in POSTGRES_URL, or choose another \
             POSTGRES_SSL_MODE"
        }
    }
}

/// What mends a refusal that is not about a password, by the server's own words.
fn admission(message: &str) -> &'static str {
    if message.contains("no encryption") || message.contains("SSL off") {
        return "if the server takes connections with TLS only, set POSTGRES_SSL_MODE=verify-full (or require); else \
                check pg_hba.conf on the server";
    }
    if message.contains("certificate") {
        return "set POSTGRES_SSL_CERT and POSTGRES_SSL_KEY to a certificate whose common name is the user in \
                POSTGRES_URL, or that pg_ident.conf on the server maps to it";
    }
    ADMISSION
}

/// The failure of the first connection: what waiting cannot mend is a fault of the settings.
pub(super) fn at_start(target: &str, e: PgError) -> Error {
    let refuse = |what: String, remedy: &str| Error::new(Code::BadConfig, what).remedy(remedy);
    if let Some(found) = e.as_db_error() {
        let message = found.message().to_owned();
        return match found.code().code() {
            "28P01" => refuse(format!("PostgreSQL refuses the password of {target}"), ADMISSION).because(e),
            state if state.starts_with("28") => {
                let remedy = admission(&message);
                refuse(format!("PostgreSQL does not admit {target}: {message}"), remedy).because(e)
            }
            "3D000" => {
                let remedy = "create it (CREATE DATABASE), or name another one in POSTGRES_URL";
                refuse(format!("there is no database for {target}: {message}"), remedy).because(e)
            }
            "42501" => refuse(format!("PostgreSQL denies {target} a privilege: {message}"), GRANT).because(e),
            _ => failed(&format!("admit {target}"), e),
        };
    }
    if let Some(fault) = tls::fault(&e) {
        return refuse(format!("no TLS connection for {target}: {}", tls::reason(fault)), tls_remedy(fault)).because(e);
    }
    let text = reason(&e);
    if text.contains("does not support TLS") {
        let remedy = "switch TLS on at the server (ssl = on), or choose another POSTGRES_SSL_MODE";
        return refuse(format!("the server for {target} offers no TLS"), remedy).because(e);
    }
    if text.starts_with("authentication error") || text.starts_with("invalid configuration") {
        return refuse(format!("PostgreSQL cannot admit {target}: {text}"), ADMISSION).because(e);
    }
    Error::new(Code::Unavailable, format!("PostgreSQL is not reachable for {target}: {text}"))
        .remedy("start the server, or name another one in POSTGRES_URL")
        .because(e)
}

/// No connection to be had.
pub(super) fn no_connection(target: &str, e: PoolError) -> Error {
    match e {
        PoolError::Backend(e) => failed(&format!("admit {target}"), e),
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::new(Code::Unavailable, "all connections to PostgreSQL are in use").remedy("raise POSTGRES_POOL_SIZE")
        }
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => silent(&format!("admit {target}")),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::new(Code::Internal, "the pool of connections to PostgreSQL cannot work").because(e)
        }
    }
}

/// The server did not answer in time.
pub(super) fn silent(what: &str) -> Error {
    Error::new(Code::Unavailable, format!("PostgreSQL did not {what} in time"))
}

#[cfg(test)]
mod tests;
