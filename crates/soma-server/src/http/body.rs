//! Reading a request's body: bounded in size and in time, and parsed with every bound of an event.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use soma_core::error::Code;
use soma_core::{Error, Result, json};

/// How much of a body is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes.
    pub bytes_max: usize,
    /// From the first read to the last.
    pub time_max: Duration,
}

/// The whole body.
///
/// # Errors
/// `too_large`, `request_timeout`; `bad_request` when the client stopped sending.
pub(crate) async fn read(body: Body, bounds: Bounds) -> Result<Bytes> {
    let limited = Limited::new(body, bounds.bytes_max);
    match tokio::time::timeout(bounds.time_max, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the body is larger than {} bytes", bounds.bytes_max);
            Err(Error::new(Code::TooLarge, message).remedy("send less at a time"))
        }
        Ok(Err(error)) => Err(Error::new(Code::BadRequest, "the body ended before its time").because(error)),
        Err(_) => {
            let message = format!("the body took longer than {} seconds", bounds.time_max.as_secs());
            Err(Error::new(Code::RequestTimeout, message).remedy("send it faster, or in smaller parts"))
        }
    }
}

/// The body as one JSON object.
///
/// # Errors
/// Those of [`read`] and of [`json::parse`]; `schema` when it is not an object.
pub(crate) async fn object(body: Body, bounds: Bounds) -> Result<Fields> {
    Fields::of(json::parse(&read(body, bounds).await?)?, "the body")
}

/// The fields of an object, taken one by one; what remains is refused by name.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// The fields of a value.
    ///
    /// # Errors
    /// `schema` when it is not an object.
    pub(crate) fn of(value: Value, what: &str) -> Result<Self> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Error::new(Code::Schema, format!("{what} is not a JSON object")))
            }
        }
    }

    /// A field, whatever it holds, `null` included.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// A field that may be absent or `null`, as a text.
    ///
    /// # Errors
    /// `schema` when it is something else.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(wrong(name, "a string"))
            }
        }
    }

    /// A field that may be absent or `null`, as a switch.
    ///
    /// # Errors
    /// `schema` when it is something else.
    pub(crate) fn switch(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(on)),
            Some(Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(wrong(name, "true or false"))
            }
        }
    }

    /// A field that may be absent or `null`, as a number.
    ///
    /// # Errors
    /// `schema` when it is something else.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<f64>> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| wrong(name, "a number")),
        }
    }

    /// A field that may be absent or `null`, as a whole number, at least 0.
    ///
    /// # Errors
    /// `schema` when it is something else.
    pub(crate) fn whole(&mut self, name: &str) -> Result<Option<u64>> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| wrong(name, "a whole number, at least 0")),
        }
    }

    /// A field that may be absent or `null`, as texts: one, or a list of them.
    ///
    /// # Errors
    /// `schema` when it is something else.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        let what = "a string or an array of strings";
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(vec![text])),
            Some(Value::Array(items)) => {
                let text = |item: Value| match item {
                    Value::String(text) => Ok(text),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                        Err(wrong(name, what))
                    }
                };
                items.into_iter().map(text).collect::<Result<_>>().map(Some)
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(wrong(name, what)),
        }
    }

    /// A field that may be absent or `null`, as numbers.
    ///
    /// # Errors
    /// `schema` when it is something else.
    pub(crate) fn numbers(&mut self, name: &str) -> Result<Option<Vec<f64>>> {
        let what = "an array of numbers";
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => {
                let number = |item: &Value| item.as_f64().ok_or_else(|| wrong(name, what));
                items.iter().map(number).collect::<Result<_>>().map(Some)
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => Err(wrong(name, what)),
        }
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// `schema`, naming the field.
    pub(crate) fn finish(self, known: &str) -> Result<()> {
        match self.0.keys().min() {
            None => Ok(()),
            Some(name) => Err(Error::new(Code::Schema, format!("there is no field {name:?} here"))
                .at(name)
                .remedy(format!("known are {known}"))),
        }
    }
}

fn wrong(name: &str, what: &str) -> Error {
    Error::new(Code::Schema, format!("{name} is not {what}")).at(name)
}
