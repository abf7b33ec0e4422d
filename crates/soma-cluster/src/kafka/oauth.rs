//! Tokens for OAUTHBEARER, fetched by client credentials (RFC 6749, section 4.4).
//!
//! The client asks for a token on the thread that polls it, and again after 80 % of its life. A failed
//! fetch is told to the client, which asks again ten seconds later. Neither secret nor token is ever shown.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::OAuthToken;
use serde::Deserialize;
use soma_core::clock::Clock;
use soma_core::error::{Code, Error, Result};

use super::settings::Oauth;

/// How long the endpoint may take; clients that wait for a token are not served meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a token is taken to live when the endpoint does not say.
const LIFE_DEFAULT_SECONDS: i64 = 300;

/// Where tokens come from.
pub(super) struct Source {
    oauth: Oauth,
    clock: Arc<dyn Clock>,
    agent: ureq::Agent,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<i64>,
}

impl Source {
    pub(super) fn new(oauth: Oauth, clock: Arc<dyn Clock>) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
        Self { oauth, clock, agent: config.into() }
    }

    /// Fetches a token. Blocks for at most [`TIMEOUT`].
    ///
    /// # Errors
    /// `unavailable` when the endpoint gives none.
    pub(super) fn token(&self) -> Result<OAuthToken> {
        let Oauth { token_endpoint_url: url, client_id, client_secret, scope } = &self.oauth;
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id.as_str()),
            ("client_secret", client_secret.reveal()),
        ];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        let failed = |what: String| {
            Error::new(Code::Unavailable, format!("cannot fetch a token from {}: {what}", without_query(url)))
                .remedy("check KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL, the client id, its secret and the scope")
        };
        let mut response = self.agent.post(url).send_form(form).map_err(|e| failed(e.to_string()))?;
        if !response.status().is_success() {
            return Err(failed(format!("it answered {}", response.status().as_u16())));
        }
        let answer: Answer =
            response.body_mut().read_json().map_err(|_| failed("the answer is no token response".to_owned()))?;
        let life = answer.expires_in.unwrap_or(LIFE_DEFAULT_SECONDS).max(1);
        Ok(OAuthToken {
            token: answer.access_token,
            principal_name: client_id.clone(),
            lifetime_ms: self.clock.now().0 / 1_000 + life.saturating_mul(1_000),
        })
    }
}

/// A query may carry a secret.
fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}
