//! SCRAM (RFC 5802, RFC 7677) as a client: what is said, and what the server has to answer.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use crate::kafka::settings::Mechanism;

/// Rounds that a server may ask for; each costs a hash.
const ROUNDS_MAX: u32 = 1 << 20;

pub(super) struct Exchange {
    sha512: bool,
    /// `n=user,r=nonce`.
    bare: String,
    nonce: String,
}

impl Exchange {
    pub(super) fn new(mechanism: Mechanism, user: &str, random: [u8; 16]) -> Self {
        Self::with_nonce(mechanism, user, &STANDARD.encode(random))
    }

    pub(super) fn with_nonce(mechanism: Mechanism, user: &str, nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let (sha512, bare) = (mechanism == Mechanism::ScramSha512, format!("n={user},r={nonce}"));
        Self { sha512, bare, nonce: nonce.to_owned() }
    }

    /// What the client says first.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// What the client says to the challenge, and what the server must answer to that; `None` when the
    /// challenge is no answer to [`Self::first`].
    pub(super) fn last(&self, password: &str, challenge: &[u8]) -> Option<(String, Vec<u8>)> {
        let challenge = std::str::from_utf8(challenge).ok()?;
        let part = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = part("r=").filter(|nonce| nonce.starts_with(&self.nonce))?;
        let salt = STANDARD.decode(part("s=")?).ok()?;
        let rounds: u32 = part("i=")?.parse().ok()?;
        let rounds = NonZeroU32::new(rounds).filter(|rounds| rounds.get() <= ROUNDS_MAX)?;
        let (derive, mac, hash) = match self.sha512 {
            true => (pbkdf2::PBKDF2_HMAC_SHA512, hmac::HMAC_SHA512, &digest::SHA512),
            false => (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256),
        };
        let mut salted = vec![0; hash.output_len()];
        pbkdf2::derive(derive, rounds, &salt, password.as_bytes(), &mut salted);
        let salted = hmac::Key::new(mac, &salted);
        let client = hmac::sign(&salted, b"Client Key");
        let stored = digest::digest(hash, client.as_ref());
        let bare = format!("c=biws,r={nonce}");
        let whole = format!("{},{challenge},{bare}", self.bare);
        let signature = hmac::sign(&hmac::Key::new(mac, stored.as_ref()), whole.as_bytes());
        let proof: Vec<u8> = client.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server = hmac::Key::new(mac, hmac::sign(&salted, b"Server Key").as_ref());
        let expected = STANDARD.encode(hmac::sign(&server, whole.as_bytes()).as_ref());
        Some((format!("{bare},p={}", STANDARD.encode(proof)), format!("v={expected}").into_bytes()))
    }
}
