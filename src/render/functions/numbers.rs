//! Numbers: conversions, integer and decimal arithmetic, rounding, sequences.

use super::{
    Answer,
    argument::{any, int, random, string_answer, text, text_of, to_float64, to_int64},
    charge_items, check_items,
    decimal::Decimal,
    fixed, variadic,
};
use pintle_golib::strconv;
use pintle_template::{
    Call, Func, FuncError,
    Type::{Any, Float64, Int, String},
};
use pintle_value::{List, ListKind, Value};

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("int", &[Any], |_, args| Ok(Value::Int(to_int64(any(args, 0))))),
    fixed("int64", &[Any], |_, args| Ok(Value::Int64(to_int64(any(args, 0))))),
    fixed("float64", &[Any], |_, args| Ok(Value::Float64(to_float64(any(args, 0))))),
    fixed("atoi", &[String], |_, args| Ok(Value::Int(strconv::atoi(text(args, 0)).unwrap_or_else(|e| e.value)))),
    fixed("toDecimal", &[Any], to_decimal),
    fixed("add1", &[Any], |_, args| Ok(Value::Int64(to_int64(any(args, 0)).wrapping_add(1)))),
    variadic("add", &[], Any, |_, args| Ok(Value::Int64(args.iter().map(to_int64).fold(0, i64::wrapping_add)))),
    fixed("sub", &[Any, Any], |_, args| Ok(Value::Int64(to_int64(any(args, 0)).wrapping_sub(to_int64(any(args, 1)))))),
    fixed("div", &[Any, Any], |_, args| divide(args, i64::wrapping_div)),
    fixed("mod", &[Any, Any], |_, args| divide(args, i64::wrapping_rem)),
    variadic("mul", &[Any], Any, |_, args| Ok(Value::Int64(args.iter().map(to_int64).fold(1, i64::wrapping_mul)))),
    variadic("max", &[Any], Any, |_, args| Ok(Value::Int64(args.iter().map(to_int64).max().unwrap_or(0)))),
    variadic("biggest", &[Any], Any, |_, args| Ok(Value::Int64(args.iter().map(to_int64).max().unwrap_or(0)))),
    variadic("min", &[Any], Any, |_, args| Ok(Value::Int64(args.iter().map(to_int64).min().unwrap_or(0)))),
    variadic("maxf", &[Any], Any, |_, args| {
        Ok(extreme(args, f64::INFINITY, |a, b| a > b || a == b && b.is_sign_negative()))
    }),
    variadic("minf", &[Any], Any, |_, args| {
        Ok(extreme(args, f64::NEG_INFINITY, |a, b| a < b || a == b && a.is_sign_negative()))
    }),
    fixed("add1f", &[Any], |call, args| decimals(call, &[any(args, 0).clone(), Value::Int(1)], |a, b| Ok(a.plus(b)))),
    variadic("addf", &[], Any, |call, args| decimals(call, &[&[Value::Int(0)], args].concat(), |a, b| Ok(a.plus(b)))),
    variadic("subf", &[Any], Any, |call, args| decimals(call, args, |a, b| Ok(a.plus(&b.negated())))),
    variadic("mulf", &[Any], Any, |call, args| {
        decimals(call, args, |a, b| a.times(b).ok_or_else(|| "mulf: the product has too many digits".into()))
    }),
    variadic("divf", &[Any], Any, |call, args| {
        decimals(call, args, |a, b| a.over(b).ok_or_else(|| "decimal division by 0".into()))
    }),
    fixed("ceil", &[Any], |_, args| Ok(Value::Float64(to_float64(any(args, 0)).ceil()))),
    fixed("floor", &[Any], |_, args| Ok(Value::Float64(to_float64(any(args, 0)).floor()))),
    variadic("round", &[Any, Int], Float64, round),
    fixed("until", &[Int], until),
    fixed("untilStep", &[Int, Int, Int], |call, args| {
        ints(call, "untilStep", int(args, 0), int(args, 1), int(args, 2))
    }),
    variadic("seq", &[], Int, seq),
    fixed("randInt", &[Int, Int], rand_int),
];

/// The value's text, read as an octal number.
fn to_decimal(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let text = match any(args, 0) {
        // Printed, bytes are a list of numbers.
        Value::Bytes(_) => return Ok(Value::Int64(0)),
        other => text_of(other)?,
    };
    Ok(Value::Int64(strconv::parse_int(&text, 8, 64).unwrap_or(0)))
}

fn divide(args: &[Value], operation: fn(i64, i64) -> i64) -> Answer {
    match to_int64(any(args, 1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::Int64(operation(to_int64(any(args, 0)), divisor))),
    }
}

/// Go's `math.Max` or `math.Min` over all: an infinity wins that nothing can beat, then a NaN.
fn extreme(args: &[Value], utmost: f64, wins: fn(f64, f64) -> bool) -> Value {
    let pick = |best: f64, next: f64| {
        if best == utmost || next == utmost {
            utmost
        } else if best.is_nan() || next.is_nan() {
            f64::NAN
        } else if wins(next, best) {
            next
        } else {
            best
        }
    };
    Value::Float64(args.iter().map(to_float64).reduce(pick).unwrap_or(0.0))
}

/// What an operation on decimals counts for, in steps: some microseconds, when numbers have hundreds of digits.
const DECIMAL: u64 = 100;

/// Decimal arithmetic from left to right, the result a float.
fn decimals(
    call: &mut Call<'_>,
    args: &[Value],
    operation: fn(&Decimal, &Decimal) -> Result<Decimal, FuncError>,
) -> Answer {
    call.spend(DECIMAL * args.len() as u64)?;
    let number = |value: &Value| {
        let float = to_float64(value);
        Decimal::of(float).ok_or_else(|| {
            FuncError::from(format!("Cannot create a Decimal from {}", strconv::format_float(float, b'g', None)))
        })
    };
    let mut result = number(any(args, 0))?;
    for arg in args.iter().skip(1) {
        result = operation(&result, &number(arg)?)?;
    }
    Ok(Value::Float64(result.to_float()))
}

/// `round VALUE PLACES [FROM]`: a fraction of at least FROM (a half) goes up. Below zero no fraction is.
fn round(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let value = to_float64(any(args, 0));
    let round_from = args.get(2).map_or(0.5, to_float64);
    let power = 10_f64.powf(int(args, 1) as f64);
    let digits = power * value;
    let rounded = if digits.is_finite() && digits.fract() >= round_from { digits.ceil() } else { digits.floor() };
    Ok(Value::Float64(rounded / power))
}

/// The numbers from start to stop, which is not among them.
fn steps(what: &str, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, FuncError> {
    if step == 0 || (stop < start) != (step < 0) || start == stop {
        return Ok(Vec::new());
    }
    let count = start.abs_diff(stop).div_ceil(step.unsigned_abs());
    check_items(what, usize::try_from(count).unwrap_or(usize::MAX))?;
    // The last one may be followed by an overflow, which ends the list.
    let mut numbers = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let mut next = Some(start);
    while let Some(n) = next.filter(|n| if step > 0 { *n < stop } else { *n > stop }) {
        numbers.push(n);
        next = n.checked_add(step);
    }
    Ok(numbers)
}

fn ints(call: &mut Call<'_>, what: &str, start: i64, stop: i64, step: i64) -> Answer {
    let numbers = steps(what, start, stop, step)?;
    charge_items(call, numbers.len())?;
    Ok(Value::List(List::of(ListKind::Int, numbers.into_iter().map(Value::Int).collect())))
}

fn until(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let count = int(args, 0);
    ints(call, "until", 0, count, if count < 0 { -1 } else { 1 })
}

/// As the command `seq`: one, two or three numbers, the last one included.
fn seq(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (start, step, end) = match args.len() {
        1 => (1, 1, int(args, 0)),
        2 => (int(args, 0), 1, int(args, 1)),
        3 => (int(args, 0), int(args, 1), int(args, 2)),
        _ => return string_answer(""),
    };
    let towards = if end < start { -1 } else { 1 };
    let step = if args.len() == 3 { step } else { towards };
    if step > 0 && towards < 0 {
        return string_answer("");
    }
    let numbers = steps("seq", start, end.wrapping_add(towards), step)?;
    let texts: Vec<_> = numbers.iter().map(i64::to_string).collect();
    string_answer(texts.join(" "))
}

fn rand_int(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (min, max) = (int(args, 0), int(args, 1));
    let range = max.wrapping_sub(min);
    let Some(range) = u64::try_from(range).ok().filter(|range| *range > 0) else {
        return Err("invalid argument to Intn".into());
    };
    Ok(Value::Int(min.wrapping_add(below(call, range)?.cast_signed())))
}

/// A random number below a bound, each as likely as the other.
pub(super) fn below(call: &Call<'_>, bound: u64) -> Result<u64, FuncError> {
    // What lies beyond the last multiple of the bound would favour the small ones.
    let fair = u64::MAX - u64::MAX % bound;
    for _ in 0..128 {
        let mut bytes = [0; 8];
        random(call, &mut bytes)?;
        let number = u64::from_le_bytes(bytes);
        if number < fair {
            return Ok(number % bound);
        }
    }
    Ok(0)
}
