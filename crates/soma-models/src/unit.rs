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
mod tests {
    use super::normalise;

    #[test]
    fn a_vector_gets_norm_1_or_is_refused() {
        let mut vector = vec![3.0, 0.0, -4.0];
        assert!(normalise(&mut vector));
        assert_eq!(vector, [0.6, 0.0, -0.8]);
        let mut huge = vec![f32::MAX, f32::MAX];
        assert!(normalise(&mut huge));
        assert!((huge[0] - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6);
        for mut bad in [vec![0.0, 0.0], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0], vec![]] {
            assert!(!normalise(&mut bad), "{bad:?}");
        }
    }
}
