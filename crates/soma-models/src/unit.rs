//! Vectors of norm 1.

/// Brings a vector to norm 1; tells whether that was possible: all finite and not all zero.
pub(crate) fn normalise(vector: &mut [f32]) -> bool {
    let largest = vector.iter().map(|x| f64::from(x.abs())).fold(0.0, f64::max);
    // Scaled first, so that neither huge nor tiny numbers lose the norm.
    let norm = vector.iter().map(|x| (f64::from(*x) / largest).powi(2)).sum::<f64>().sqrt();
    if !(largest > 0.0 && norm.is_finite()) {
        return false;
    }
    #[expect(clippy::cast_possible_truncation, reason = "an index holds single precision")]
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / largest / norm) as f32);
    true
}

#[cfg(test)]
mod tests;
