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
