//! The Gaussian error linear unit, without branches, so that a compiler computes several at once.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

/// x Φ(x), Φ being the normal distribution; off by at most 4e-7 (1 + |x|).
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))
}

/// The error function (Abramowitz and Stegun 1964, 7.1.26), off by at most 3e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let sum = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    (1.0 - sum * exp(-size * size)).copysign(x)
}

/// e to the x, for x of at most 0; what is smaller than e to the −87 counts as that.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it leaves the nearest whole number in the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    let power = (x * LOG2_E).max(-125.0);
    let shifted = power + WHOLE;
    let part = power - (shifted - WHOLE);
    // 2 to the part, which is between −½ and ½, by its series.
    let series = ((((1.540_353e-4 * part + 1.333_355_8e-3) * part + 9.618_129e-3) * part + 5.550_411e-2) * part
        + 0.240_226_5)
        * part
        + std::f32::consts::LN_2;
    let fraction = series * part + 1.0;
    let exponent = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    fraction * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests;
