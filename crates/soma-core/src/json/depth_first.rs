//! Builds a value while the text is read, and stops at the first fault.
//!
//! `serde_json` finds the tokens; what it cannot refuse (duplicate keys, our depth, U+0000) is
//! refused here, before the rest of the text is read. Depth is bounded before a level is entered, so
//! no text can exhaust the stack.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::{Fault, Step, in_range, integral, located, nul_in_key, nul_in_string, number_range, shown, too_deep};
use crate::error::{Code, Error, Result};
use crate::limits;

pub(super) fn parse(text: &str) -> Result<Value> {
    let trace = Trace::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Node { trace: &trace, level: 0 }.deserialize(&mut reader);
    read.and_then(|value| reader.end().map(|()| value)).map_err(|error| trace.explain(&error))
}

/// What went wrong, and where. The path is collected while the fault travels outwards, so a text
/// without faults pays nothing for it.
#[derive(Default)]
struct Trace {
    fault: Cell<Option<Fault>>,
    path: RefCell<Vec<Step>>,
}

impl Trace {
    fn refuse<E: serde::de::Error>(&self, fault: Fault) -> E {
        let error = E::custom(&fault.1);
        self.fault.set(Some(fault));
        error
    }

    fn step<E>(&self, step: impl FnOnce() -> Step) -> impl FnOnce(E) -> E {
        move |error| {
            self.path.borrow_mut().push(step());
            error
        }
    }

    fn explain(self, error: &serde_json::Error) -> Error {
        let mut path = self.path.into_inner();
        path.reverse();
        if let Some((code, message)) = self.fault.into_inner() {
            return located(code, message, "", &path);
        }
        let text = error.to_string();
        // The only overflow that serde_json reports itself: a literal beyond the largest double.
        if text.starts_with("number out of range") {
            let (code, message) = number_range();
            return located(code, message, "", &path);
        }
        Error::new(Code::NotJson, format!("the value is not JSON: {text}"))
    }
}

#[derive(Clone, Copy)]
struct Node<'t> {
    trace: &'t Trace,
    /// How many containers stand around this value.
    level: usize,
}

impl Node<'_> {
    fn inside<E: serde::de::Error>(self) -> std::result::Result<Self, E> {
        if self.level >= limits::DEPTH_MAX {
            return Err(self.trace.refuse(too_deep()));
        }
        Ok(Self { level: self.level + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> std::result::Result<Value, E> {
        if !in_range(value) {
            return Err(self.trace.refuse(number_range()));
        }
        let number = integral(value).or_else(|| Number::from_f64(value));
        number.map(Value::Number).ok_or_else(|| self.trace.refuse(number_range()))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> std::result::Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> std::result::Result<Value, E> {
        if value.as_bytes().contains(&0) {
            return Err(self.trace.refuse(nul_in_string()));
        }
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inside).map_err(self.trace.step(|| Step::Index(items.len())))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.as_bytes().contains(&0) {
                return Err(self.trace.refuse(nul_in_key()));
            }
            match fields.entry(key) {
                Entry::Vacant(free) => {
                    let value =
                        map.next_value_seed(inside).map_err(self.trace.step(|| Step::Key(free.key().clone())))?;
                    free.insert(value);
                }
                Entry::Occupied(taken) => {
                    let message = format!("an object has the key {} twice", shown(taken.key()));
                    let error = A::Error::custom(&message);
                    self.trace.fault.set(Some((Code::DuplicateKey, message)));
                    return Err(self.trace.step(|| Step::Key(taken.key().clone()))(error));
                }
            }
        }
        Ok(Value::Object(fields))
    }
}
