//! TLS and the key of a Qdrant server: who is let in, and how each fault is named with what mends it.

use soma_cluster::qdrant::{Settings, Vectors, facts};
use soma_core::error::{Code, Error};
use soma_core::index::VectorIndex as _;
use soma_testkit::certificates::{Authority, Signed};
use soma_testkit::qdrant::{Options, StandIn};

use super::{Outcome, identity, settings, upsert};

struct World {
    server: StandIn,
    ours: Authority,
    other: Authority,
    folder: tempfile::TempDir,
}

fn world(sign: impl Fn(&Authority) -> Signed) -> std::io::Result<World> {
    let folder = tempfile::tempdir()?;
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let options = Options { tls: Some(sign(&ours)), api_key: Some("right".into()), ..Options::default() };
    Ok(World { server: StandIn::start_with(options)?, ours, other, folder })
}

fn usual() -> std::io::Result<World> {
    world(|authority| authority.sign("server", &["IP:127.0.0.1"]))
}

impl World {
    fn settings(&self) -> Settings {
        let (api_key, ca_location) = (Some("right".to_owned()), Some(self.ours.certificate()));
        Settings { api_key, ca_location, ..settings(self.server.url()) }
    }
}

/// Why it is not let in: the start and the doctor ask by different ways, and must agree.
async fn refused(settings: &Settings) -> Result<Error, Box<dyn std::error::Error>> {
    let start = Vectors::connect(settings, identity()).await.err().ok_or("it was let in")?;
    let doctor = facts(settings).await.err().ok_or("the doctor was let in")?;
    assert_eq!((start.code, &start.remedy), (doctor.code, &doctor.remedy), "{start} / {doctor}");
    assert!(start.remedy.is_some(), "{start}");
    for told in [start.to_string(), doctor.to_string(), format!("{settings:?}")] {
        assert!(!told.contains("hush"), "{told}");
    }
    Ok(start)
}

fn names(error: &Error, what: &str, remedy: &str) {
    let found = error.remedy.as_deref().unwrap_or_default();
    assert!(error.message.contains(what) && found.contains(remedy), "{error}");
}

#[tokio::test]
async fn the_right_authority_and_the_right_key_are_let_in() -> Outcome {
    let world = usual()?;
    assert!(world.server.url().starts_with("https://"));
    let (vectors, _) = Vectors::connect(&world.settings(), identity()).await?;
    vectors.write(vec![upsert(1, 1)]).await?;
    assert_eq!(vectors.count().await?, 1);
    assert!(facts(&world.settings()).await?.supported);
    Ok(())
}

#[tokio::test]
async fn an_authority_that_did_not_sign_is_named() -> Outcome {
    let world = usual()?;
    let wrong = Settings { ca_location: Some(world.other.certificate()), ..world.settings() };
    let error = refused(&wrong).await?;
    assert_eq!(error.code, Code::Unavailable);
    names(&error, "nobody that we trust", "QDRANT_CA_LOCATION");
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_another_host_is_named() -> Outcome {
    let world = world(|authority| authority.sign("server", &["DNS:elsewhere.example"]))?;
    names(&refused(&world.settings()).await?, "another host", "QDRANT_URL");
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_over_is_named() -> Outcome {
    let world = world(|authority| authority.sign_expired("server", &["IP:127.0.0.1"]))?;
    names(&refused(&world.settings()).await?, "expired", "renew");
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_one_are_named_and_not_shown() -> Outcome {
    let world = usual()?;
    for api_key in [None, Some("hush-hush".to_owned())] {
        names(&refused(&Settings { api_key, ..world.settings() }).await?, "refuses the API key", "QDRANT_API_KEY");
    }
    let unfit = Settings { api_key: Some("hush\n".to_owned()), ..world.settings() };
    let error = Vectors::connect(&unfit, identity()).await.err().ok_or("no header carries it")?;
    assert!(error.code == Code::BadConfig && !error.to_string().contains("hush"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_scheme_that_is_not_the_servers_is_named() -> Outcome {
    let world = usual()?;
    let plain = Settings { url: world.server.url().replace("https", "http"), ..world.settings() };
    names(&refused(&plain).await?, "cannot be reached", "https");
    let open = StandIn::start()?;
    let wrapped = Settings { url: open.url().replace("http", "https"), ..world.settings() };
    names(&refused(&wrapped).await?, "cannot be reached", "http");
    Ok(())
}

#[tokio::test]
async fn files_that_hold_no_authority_are_named_before_anything_connects() -> Outcome {
    let world = usual()?;
    let (empty, broken) = (world.folder.path().join("empty.pem"), world.folder.path().join("broken.pem"));
    std::fs::write(&empty, "nothing")?;
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nnot base64 at all\n-----END CERTIFICATE-----\n")?;
    for path in [world.folder.path().join("none.pem"), empty, broken] {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let error = refused(&Settings { ca_location: Some(path), ..world.settings() }).await?;
        assert_eq!(error.code, Code::BadConfig, "{error}");
        names(&error, &name, "QDRANT_CA_LOCATION");
    }
    Ok(())
}
