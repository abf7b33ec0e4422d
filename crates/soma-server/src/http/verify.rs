//! `POST /v1/verify`: compares both stores with the log while they are in use.
//!
//! It reads everything, so one runs at a time. Whoever may delete may call it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use soma_core::Error;
use soma_core::error::Code;
use soma_core::verify::{self, Finding, Options, Report};

use super::App;
use super::params::{Params, wait_bound};
use super::problem::Answer;
use super::{body, shapes};

/// `POST /v1/verify`
pub(super) async fn verify(State(app): State<App>, uri: Uri, body: Body) -> Answer {
    Params::of(&uri)?.finish("none: everything is in the body")?;
    let mut fields = body::object(body, app.body).await?;
    let repair = fields.switch("repair")?.unwrap_or(false);
    let wait = wait_bound(fields.whole("wait_ms")?)?;
    fields.finish("repair, wait_ms")?;
    let Ok(_one) = app.verifying.try_lock() else {
        return Err(Error::new(Code::Contended, "a verification is under way")
            .remedy("wait until it has ended")
            .into());
    };
    let options = Options::new(wait);
    let options = if repair { options.repairing() } else { options };
    let report = verify::verify(&app.engine, options).await?;
    Ok(shapes::answer(StatusCode::OK, &shape(&report)))
}

fn shape(report: &Report) -> Value {
    json!({
        "ok": report.is_clean(),
        "position": report.position,
        "events": report.events,
        "memories": report.memories,
        "deleted": report.deleted,
        "points": report.points,
        "dead_letters": report.dead_letters,
        "left_out": report.left_out,
        "differences": report.differences,
        "repaired": report.repaired,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "part": finding.part.as_str(),
        "what": finding.what.as_str(),
        "id": finding.id,
        "place": finding.place.as_ref().map(ToString::to_string),
        "detail": finding.detail,
        "repaired": finding.repaired,
    })
}
