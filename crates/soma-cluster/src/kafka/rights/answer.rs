//! Reads an answer of Kafka's protocol, in the encoding of its older versions.

use soma_core::error::{Code, Error, Result};

/// Elements of an array that are read; a cluster has fewer brokers, partitions and members.
const ELEMENTS_MAX: i32 = 100_000;

/// What is left of an answer.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(answer: &'a [u8]) -> Self {
        Self(answer)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Passes over so many bytes.
    pub(super) fn skip(&mut self, bytes: usize) -> Result<()> {
        self.take(bytes).map(drop)
    }

    pub(super) fn number_16(&mut self) -> Result<i16> {
        let (number, _) = self.take(2)?.split_first_chunk().ok_or_else(short)?;
        Ok(i16::from_be_bytes(*number))
    }

    pub(super) fn number_32(&mut self) -> Result<i32> {
        let (number, _) = self.take(4)?.split_first_chunk().ok_or_else(short)?;
        Ok(i32::from_be_bytes(*number))
    }

    /// A text; none is an empty one.
    pub(super) fn text(&mut self) -> Result<String> {
        let length = usize::try_from(self.number_16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.number_32()?).unwrap_or(0);
        self.take(length)
    }

    /// An array, element by element.
    pub(super) fn each<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.number_32()?;
        if count > ELEMENTS_MAX {
            return Err(short());
        }
        (0..count.max(0)).map(|_| element(self)).collect()
    }
}

fn short() -> Error {
    Error::new(Code::Unavailable, "a Kafka broker's answer is of another form")
}
