//! Moments: read in the spellings that writers use, written in one.
//!
//! Fractions beyond microseconds are cut, not rounded, so a moment never moves into the next second.
//! A leap second (`23:59:60`) is the second before it, as most clocks count.

use std::borrow::Cow;
use std::fmt;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Timestamp;
use crate::error::{Code, Error, Result};
use crate::json;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// Numbers with a larger magnitude are milliseconds, all others seconds.
const SECONDS_ABS_MAX: f64 = 1e11;
const DAY_SECONDS: i64 = 86_400;
/// Where the seconds stand in an RFC 3339 date-time.
const SECONDS_AT: usize = 17;
/// More digits of a fraction than any clock has; RFC 3339 sets no bound.
const FRACTION_DIGITS: usize = 9;
const REMEDY: &str = "write an RFC 3339 date-time such as 2026-01-02T03:04:05Z";

impl Timestamp {
    /// `0001-01-01T00:00:00.000000Z`.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// `9999-12-31T23:59:59.999999Z`.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// Reads an RFC 3339 date-time.
    ///
    /// # Errors
    /// [`Code::Schema`] at `timestamp`, also for a moment outside the years 1 to 9999.
    pub fn parse(text: &str) -> Result<Self> {
        if !has_rfc3339_shape(text.as_bytes()) {
            return refuse(format!("{} is not an RFC 3339 date-time", json::shown(text)));
        }
        let moment = Self::from_pieces(text)?;
        let leap = text.as_bytes()[SECONDS_AT..].starts_with(b"60");
        if leap && moment.0.div_euclid(1_000_000).rem_euclid(DAY_SECONDS) != DAY_SECONDS - 1 {
            return refuse(format!("{} has a leap second where none can be", json::shown(text)));
        }
        Ok(moment)
    }

    /// Reads what writers send: epoch seconds (integer or not; milliseconds above 10¹¹), or an ISO
    /// 8601 date or date-time with an offset, `Z`, or nothing, which is UTC.
    ///
    /// # Errors
    /// [`Code::Schema`] at `timestamp`, also for a moment outside the years 1 to 9999.
    pub fn read(value: &Value) -> Result<Self> {
        match value {
            Value::String(text) => Self::from_pieces(text),
            Value::Number(number) => Self::from_epoch(number),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                refuse("is neither a string nor a number".into())
            }
        }
    }

    fn from_epoch(number: &serde_json::Number) -> Result<Self> {
        let x = number.as_f64().unwrap_or(f64::NAN);
        let scale: i32 = if x.abs() > SECONDS_ABS_MAX { 1_000 } else { 1_000_000 };
        if let Some(micros) = number.as_i64().and_then(|n| n.checked_mul(scale.into())) {
            return Self::in_range(micros).ok_or_else(out_of_range);
        }
        let micros = (x * f64::from(scale)).round();
        #[expect(clippy::cast_possible_truncation, reason = "a cast saturates, and both ends are out of range")]
        Self::in_range(micros as i64).filter(|_| micros.is_finite()).ok_or_else(out_of_range)
    }

    fn from_pieces(text: &str) -> Result<Self> {
        let no_date = || Error::new(Code::Schema, format!("timestamp {} is not a date-time", json::shown(text)));
        let cut = cut_fraction(text);
        let pieces = Pieces::parse(cut.as_ref()).map_err(|e| no_date().at("timestamp").remedy(REMEDY).because(e))?;
        if pieces.time_zone_annotation().is_some() {
            return refuse(format!("{} names a time zone, which has more than one meaning", json::shown(text)));
        }
        let offset = pieces.to_numeric_offset().map_or(0, jiff::tz::Offset::seconds);
        let civil = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or_default());
        let micros = civil.duration_since(EPOCH).as_nanos().div_euclid(1_000) - i128::from(offset) * 1_000_000;
        i64::try_from(micros).ok().and_then(Self::in_range).ok_or_else(out_of_range)
    }

    fn in_range(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }
}

/// RFC 3339 with microseconds, in UTC; a moment outside the years 1 to 9999 shows as the nearest end.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.clamp(Self::MIN.0, Self::MAX.0);
        let civil = EPOCH.checked_add(SignedDuration::from_micros(micros)).map_err(|_| fmt::Error)?;
        write!(f, "{:04}-{:02}-{:02}T", civil.year(), civil.month(), civil.day())?;
        write!(f, "{:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second())?;
        write!(f, ".{:06}Z", micros.rem_euclid(1_000_000))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::new(Code::Schema, format!("timestamp {why}")).at("timestamp").remedy(REMEDY))
}

fn out_of_range() -> Error {
    Error::new(Code::Schema, "timestamp lies outside the years 1 to 9999").at("timestamp").remedy(REMEDY)
}

/// The text without the digits of its fraction that are too fine to matter.
fn cut_fraction(text: &str) -> Cow<'_, str> {
    let Some(start) = text.find(['.', ',']).map(|point| point + 1) else { return text.into() };
    let digits = text.as_bytes()[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits <= FRACTION_DIGITS {
        return text.into();
    }
    [&text[..start + FRACTION_DIGITS], &text[start + digits..]].concat().into()
}

/// Whether the bytes are spelled `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`; the calendar is checked elsewhere.
fn has_rfc3339_shape(bytes: &[u8]) -> bool {
    const SHAPE: &[u8; 19] = b"dddd-dd-ddTdd:dd:dd";
    let Some((start, rest)) = bytes.split_at_checked(SHAPE.len()) else { return false };
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't'),
        _ => byte == shape,
    };
    if !start.iter().zip(SHAPE).all(fits) {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
    };
    match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let two = |a: &u8, b: &u8, max: u8| {
                a.is_ascii_digit() && b.is_ascii_digit() && (a - b'0') * 10 + (b - b'0') <= max
            };
            two(h1, h2, 23) && two(m1, m2, 59)
        }
        _ => false,
    }
}
