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
use super::endpoint::{Answer as Told, Endpoint, Right, Verb};
use super::openapi::schema;
use super::params::{Params, wait_bound};
use super::problem::Answer;
use super::{body, shapes};

/// What is told about this route.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let body = schema::closed(
        &[],
        json!({
            "repair": { "type": ["boolean", "null"], "default": false, "description": "put both stores right, from the log" },
            "wait_ms": schema::or_null(schema::wait_ms()),
        }),
    );
    vec![
        Endpoint::new(Verb::Post, "/v1/verify", verify)
            .needs(Right::Admin)
            .about(
                "verify",
                "compare both stores with the log",
                "While they are in use. It reads everything; one runs at a time. With `repair`, records, histories and \
                 counts that differ are made anew from the log, beside the projector, then points from the records; \
                 what cannot be mended is named with a `remedy`.",
            )
            .reads([("application/json", body)])
            .answers(Told::json(200, "what it found", report()))
            .fails(&[Code::Contended, Code::PositionNotReached, Code::StorageFull]),
    ]
}

fn report() -> Value {
    let text = || json!({ "type": "string" });
    let maybe = || json!({ "type": ["string", "null"] });
    let finding = schema::answer(json!({
        "part": text(), "what": text(), "id": maybe(), "place": maybe(), "detail": text(),
        "repaired": { "type": "boolean" },
        "remedy": { "type": ["string", "null"], "description": "why a repair did not mend it, and what to do" },
    }));
    schema::answer(json!({
        "ok": { "type": "boolean", "description": "whether nothing differs" },
        "position": schema::of("Position"),
        "events": schema::count("in the log"),
        "memories": schema::count("that exist"),
        "deleted": schema::count("that are deleted"),
        "points": schema::count("in the index"),
        "dead_letters": schema::count("that were checked"),
        "left_out": schema::count("memories that changed meanwhile"),
        "differences": schema::count("found"),
        "repaired": schema::count("of them"),
        "findings": { "type": "array", "items": finding },
    }))
}

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
        "remedy": finding.remedy,
    })
}
