//! Random values: tables, lists and scalars as values files have them.

use super::texts;
use crate::rng::Rng;
use serde_json::{Map, Number, Value};

/// Names that meet each other often.
pub const KEYS: &[&str] = &[
    "a", "b", "c", "d", "name", "image", "list", "global", "sub", "x-y", "a.b", "", "on", "y", "1", "10", "2", "a1",
    "a01", "B", "true", "null", "key with space", "é", "_c", "v1beta1", "v2", "enabled", "a/b", "~", "-", "#x", "x:",
];

/// A number that somebody might write, or nobody.
pub fn number(rng: &mut Rng) -> f64 {
    match rng.below(10) {
        0..4 => rng.between(-3, 12) as f64,
        4 => {
            rng.pick(&[80.0, 8080.0, 443.0, 30000.0, 65535.0, 100_000.0, 999_999.0, 1e6, 1_234_567.0, 1e7, 16777216.0])
        }
        5 => rng.pick(&[
            0.5, 1.5, 2.5,
            -0.5,
            -1.5,
            0.1, 0.25, 3.75,
            1e-4,
            1e-5,
            1e-7,
            123_456.789, 1_234_567.5, 0.3333333333333333,
        ]),
        6 => rng.pick(&[
            1e19, 1e20, 1e21, 1e22, 9.007_199_254_740_993e15, 9.223_372_036_854_776e18,
            -9.223_372_036_854_776e18,
            1.844_674_407_370_955_2e19, 1e300,
            5e-324,
            2_147_483_648.0, 4_294_967_296.0,
        ]),
        7 => rng.between(-1_000_000, 1_000_000) as f64 / 64.0,
        8 => rng.between(0, i64::from(i32::MAX)) as f64,
        _ => {
            let float = f64::from_bits(rng.next_u64());
            if float.is_finite() { float } else { 0.0 }
        }
    }
}

/// A scalar.
pub fn scalar(rng: &mut Rng) -> Value {
    match rng.below(12) {
        0 => Value::Null,
        1 => true.into(),
        2 => false.into(),
        3..6 => Number::from_f64(number(rng)).map_or(Value::Null, |n| {
            // Whole numbers are written as such: `1.0` reads the same, but looks odd.
            let float = n.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 9e15 { Value::from(float as i64) } else { Value::Number(n) }
        }),
        _ => texts::text(rng).into(),
    }
}

/// Any value.
pub fn value(rng: &mut Rng, depth: usize) -> Value {
    match rng.below(10) {
        0..3 if depth > 0 => table(rng, depth - 1),
        3..5 if depth > 0 => list(rng, depth - 1),
        _ => scalar(rng),
    }
}

/// A list.
pub fn list(rng: &mut Rng, depth: usize) -> Value {
    let count = rng.below(4);
    (0..count).map(|_| value(rng, depth)).collect()
}

/// A table.
pub fn table(rng: &mut Rng, depth: usize) -> Value {
    let mut map = Map::new();
    for _ in 0..rng.below(5) {
        let key = if rng.chance(85) { (rng.pick(KEYS)).to_owned() } else { texts::text(rng) };
        map.insert(key, value(rng, depth));
    }
    Value::Object(map)
}
