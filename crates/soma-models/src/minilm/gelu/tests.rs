use super::*;

#[test]
fn it_is_the_function_that_it_stands_for() {
    for step in -120_000..=120_000_i32 {
        let x = step as f32 / 10_000.0;
        let exact = candle_core::Tensor::new(&[f64::from(x)], &candle_core::Device::Cpu);
        let exact = exact.and_then(|x| x.gelu_erf()?.to_vec1::<f64>()).expect("it computes")[0];
        let off = (f64::from(gelu(x)) - exact).abs();
        assert!(off <= 4e-7 * (1.0 + f64::from(x.abs())), "{x}: {} is not {exact}", gelu(x));
    }
    assert_eq!(gelu(0.0), 0.0);
    assert!(gelu(f32::NAN).is_nan());
    assert_eq!((gelu(1e30), gelu(-1e30)), (1e30, 0.0));
}
