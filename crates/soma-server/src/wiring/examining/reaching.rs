//! Names, ports and certificates of all servers.

use std::sync::Arc;

use soma_cluster::kafka::diagnose;
use soma_cluster::reach::{self, Authorities, Certificate, Endpoint};
use soma_core::clock::Clock;
use soma_core::error::Error;
use soma_core::ids::Timestamp;

use super::Seen;
use crate::config::Config;
use crate::wiring::cluster::{kafka_settings, postgres_settings, qdrant_settings, registry_settings};

/// A certificate that holds for less is renewed late, in microseconds: two weeks.
const RENEWAL: i64 = 14 * 24 * 3_600 * 1_000_000;

/// A server, and what it is called here.
struct Place {
    what: &'static str,
    endpoint: Endpoint,
    authorities: Option<Authorities>,
}

/// Whether the names of all servers resolve, somebody listens there, and certificates are good.
pub(super) async fn all(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Seen> {
    let places = places(config);
    if places.is_empty() {
        return Vec::new();
    }
    let asked: Vec<_> = places.iter().map(|place| (place.endpoint.clone(), place.authorities.clone())).collect();
    let looks = reach::look(&asked, clock).await;
    let shown = |place: &Place| format!("{} at {}", place.what, place.endpoint);
    let (mut names, mut ports, mut certificates) = (Rows::of("names"), Rows::of("ports"), Rows::of("TLS"));
    for (place, look) in places.iter().zip(&looks) {
        match &look.addresses {
            Ok(found) => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                names.good(format!("{} is {}", place.endpoint.host, found.join(" and ")));
            }
            Err(error) => names.bad(place.what, error),
        }
        match &look.listens {
            Some(Ok(())) => ports.good(shown(place)),
            Some(Err(error)) => ports.bad(place.what, error),
            None => {}
        }
        match &look.certificate {
            Some(Ok(certificate)) => certificates.certificate(&shown(place), certificate, clock.now()),
            Some(Err(error)) => certificates.bad(place.what, error),
            None if place.authorities.is_none() && place.what != POSTGRES => {
                certificates.good(format!("none for {}", shown(place)));
            }
            None => {}
        }
    }
    [names, ports, certificates].into_iter().flat_map(Rows::into_seen).collect()
}

/// Its TLS begins inside a session, so its own row tells of it.
const POSTGRES: &str = "PostgreSQL";

fn places(config: &Config) -> Vec<Place> {
    let mut places = Vec::new();
    if let Some(kafka) = &config.kafka {
        let settings = kafka_settings(kafka);
        let authorities = diagnose::trusted(&settings);
        let place = |endpoint| Place { what: "Kafka", endpoint, authorities: authorities.clone() };
        places.extend(diagnose::places(&settings).into_iter().map(place));
    }
    if let Some(Ok(settings)) = config.postgres.as_ref().map(postgres_settings) {
        // What is wrong with the URL is said where the server is asked.
        let found = settings.places().unwrap_or_default();
        places.extend(found.into_iter().map(|endpoint| Place { what: POSTGRES, endpoint, authorities: None }));
    }
    let qdrant = config.qdrant.as_ref().and_then(|qdrant| qdrant_settings(qdrant).place());
    let registry = config.registry.as_ref().and_then(|registry| registry_settings(registry).place());
    for (what, found) in [("Qdrant", qdrant), ("schema registry", registry)] {
        places.extend(found.map(|(endpoint, authorities)| Place { what, endpoint, authorities }));
    }
    places
}

/// The rows of one check: what is good in one of them, and one for each that is not.
struct Rows {
    check: &'static str,
    good: Vec<String>,
    other: Vec<Seen>,
}

impl Rows {
    fn of(check: &'static str) -> Self {
        Self { check, good: Vec::new(), other: Vec::new() }
    }

    fn good(&mut self, what: String) {
        if !self.good.contains(&what) {
            self.good.push(what);
        }
    }

    fn bad(&mut self, what: &str, error: &Error) {
        let seen = Seen::of_error(self.check, error);
        self.other.push(Seen { measured: format!("{what}: {}", seen.measured), ..seen });
    }

    fn certificate(&mut self, place: &str, certificate: &Certificate, now: Timestamp) {
        let tls = certificate.tls.unwrap_or("TLS");
        let Some(until) = certificate.until else { return self.good(format!("{tls} for {place}")) };
        let what = format!("{tls} for {place}, whose certificate holds until {until}");
        if until.0 - now.0 < RENEWAL {
            self.other.push(Seen::odd(self.check, what, "renew it before it expires"));
        } else {
            self.good(what);
        }
    }

    fn into_seen(self) -> Vec<Seen> {
        let mut seen = self.other;
        if !self.good.is_empty() {
            seen.insert(0, Seen::ok(self.check, self.good.join("; ")));
        }
        seen
    }
}
