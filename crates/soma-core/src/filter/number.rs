//! Numbers of JSON compared by value, without loss: no integer becomes a float on the way.

use std::cmp::Ordering;

use serde_json::Number;

use crate::limits::EXACT_INTEGER_MAX;

/// A finite number as JSON can spell it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Num {
    /// An integer that fits `i64` or `u64`.
    Int(i128),
    /// Everything else.
    Float(f64),
}

impl Num {
    pub(super) fn of(number: &Number) -> Self {
        if let Some(n) = number.as_i64() {
            return Self::Int(n.into());
        }
        if let Some(n) = number.as_u64() {
            return Self::Int(n.into());
        }
        Self::Float(number.as_f64().unwrap_or(f64::NAN))
    }

    /// Whether the number has a place in the order that ranges use: ±2⁵³ and between.
    pub(super) fn is_ordered(self) -> bool {
        match self {
            Self::Int(n) => n.unsigned_abs() <= u128::from(EXACT_INTEGER_MAX.unsigned_abs()),
            Self::Float(n) => n.abs() <= EXACT_INTEGER_MAX as f64,
        }
    }

    /// By value; `None` only if one is not a number at all.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Float(b)) => int_with_float(a, b),
            (Self::Float(a), Self::Int(b)) => int_with_float(b, a).map(Ordering::reverse),
        }
    }
}

fn int_with_float(int: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // The cast saturates beyond ±2¹²⁷, which lies outside of every integer that JSON yields here.
    let whole = float.trunc() as i128;
    let rest = if float.fract() > 0.0 {
        Ordering::Less
    } else if float.fract() < 0.0 {
        Ordering::Greater
    } else {
        Ordering::Equal
    };
    Some(int.cmp(&whole).then(rest))
}
