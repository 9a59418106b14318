#![allow(clippy::unwrap_used)]

use super::*;
use crate::{List, ListKind, Map, MapKind, Str};
use pintle_golib::time::Duration;

fn list(items: &[Value]) -> Value {
    Value::List(List::new(items.to_vec()))
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().cloned().collect())
}

fn check(format: &str, args: &[Value], expected: &str) {
    let mut out = Vec::new();
    sprintf(format.as_bytes(), args, &mut out).unwrap();
    assert_eq!(String::from_utf8_lossy(&out), expected, "{format} {args:?}");
}

#[test]
fn directives() {
    use Value::{Bool, Float64, Int, Nil, Uint8};
    let text = |s: &str| Value::str(s);
    for (format, args, expected) in [
        ("%%%d", vec![Int(1)], "%1"),
        ("%s", vec![text("a"), text("b")], "a%!(EXTRA string=b)"),
        ("%d", vec![Int(1), Nil], "1%!(EXTRA <nil>)"),
        ("%d %d", vec![Int(1)], "1 %!d(MISSING)"),
        ("%", vec![], "%!(NOVERB)"),
        ("%5.", vec![Int(1)], "%!.(int=    1)"),
        ("%[2]d %[1]d", vec![Int(1), Int(2)], "2 1"),
        ("%[0]s", vec![text("a")], "%!s(BADINDEX)"),
        ("%[1]5d", vec![Int(7)], "%!d(BADINDEX)"),
        ("%[1", vec![Int(7)], "%!(NOVERB)"),
        ("%6.[2]f|", vec![Float64(1.5), Int(2)], "%!f(int=     2)|"),
        ("%*.*f|", vec![Int(8), Int(2), Float64(3.24159)], "    3.24|"),
        ("%*d|", vec![Int(-4), Int(1)], "1   |"),
        ("%*d", vec![text("a"), Int(1)], "%!(BADWIDTH)1"),
        ("%-+ #0d", vec![Int(5)], "+5"),
        ("%+08.3d|%08d", vec![Int(5), Int(-5)], "    +005|-0000005"),
        ("%.0d|", vec![Int(0)], "|"),
        ("%#x %#X %#o %#b %O", vec![Int(255), Int(255), Int(8), Int(5), Int(8)], "0xff 0XFF 010 0b101 0o10"),
        ("%#08x", vec![Int(255)], "0x000000ff"),
        ("%x", vec![Int(i64::MIN)], "-8000000000000000"),
        ("%c|%c|%q|%U|%#U", vec![Int(97), Int(-1), Int(10), Int(9731), Int(120)], "a|\u{fffd}|'\\n'|U+2603|U+0078 'x'"),
        ("%5s|%-5s|%.2s", vec![text("é✓"), text("é✓"), text("é✓x")], "   é✓|é✓   |é✓"),
        ("%05s", vec![text("a")], "0000a"),
        (
            "% X|%#x|%# x|%.2x",
            vec![text("hé"), text("ab"), text("ab"), text("hello")],
            "68 C3 A9|0x6162|0x61 0x62|6865",
        ),
        ("%q|%#q|%+q", vec![text("a\"\u{7f}"), text("ab"), text("é")], "\"a\\\"\\x7f\"|`ab`|\"\\u00e9\""),
        ("%v %v", vec![Float64(1e6), Float64(100_000.0)], "1e+06 100000"),
        (
            "%.2f|%8.1f|%-8.1f|%+f",
            vec![Float64(1.0), Float64(2.55), Float64(2.5), Float64(1.0)],
            "1.00|     2.5|2.5     |+1.000000",
        ),
        ("%+08.1f|% f|%08.1f", vec![Float64(2.5), Float64(1.0), Float64(-2.5)], "+00002.5| 1.000000|-00002.5"),
        ("%#.3g|%#g|%#x", vec![Float64(1.0), Float64(42.0), Float64(0.0)], "1.00|42.0000|0x0.0000p+00"),
        ("%08f|%+f", vec![Float64(f64::INFINITY), Float64(f64::NAN)], "    +Inf|+NaN"),
        ("%d|%s|%t", vec![Float64(8080.0), Int(1), text("x")], "%!d(float64=8080)|%!s(int=1)|%!t(string=x)"),
        ("%s|%v|%d", vec![Nil, Nil, Nil], "%!s(<nil>)|<nil>|%!d(<nil>)"),
        ("%5t|%t", vec![Bool(true), Bool(false)], " true|false"),
        ("%#v|%#v", vec![Uint8(97), text("a\"")], "0x61|\"a\\\"\""),
        (
            "%v %.1f",
            vec![Value::Complex128((0.0, 1.0).into()), Value::Complex128((0.0, 1.0).into())],
            "(0+1i) (0.0+1.0i)",
        ),
        ("%T %T", vec![Nil, list(&[])], "<nil> []interface {}"),
        ("%w", vec![Value::Duration(Duration::from_nanos(5))], "%!w(time.Duration=5)"),
        ("%d", vec![Value::Duration(Duration::from_nanos(5))], "5"),
        ("%!", vec![], "%!!(MISSING)"),
        ("%é", vec![text("a")], "%!é(string=a)"),
        ("%.*d|%.*", vec![Int(-1), Int(5), Int(-2)], "%!(BADPREC)5|%!(BADPREC)%!(NOVERB)"),
    ] {
        check(format, &args, expected);
    }
}

#[test]
fn composites() {
    let mixed = list(&[Value::Int(1), Value::str("a"), Value::Nil, Value::Float64(2.5)]);
    check(
        "%v|%s|%d",
        &[mixed.clone(), mixed.clone(), mixed.clone()],
        "[1 a <nil> 2.5]|[%!s(int=1) a <nil> %!s(float64=2.5)]|[1 %!d(string=a) <nil> %!d(float64=2.5)]",
    );
    check("%#v", &[mixed], "[]interface {}{1, \"a\", interface {}(nil), 2.5}");
    let nested = map(&[("b", list(&[Value::str("x")])), ("a", Value::Nil)]);
    check(
        "%v|%#v",
        &[nested.clone(), nested],
        "map[a:<nil> b:[x]]|map[string]interface {}{\"a\":interface {}(nil), \"b\":[]interface {}{\"x\"}}",
    );
    let bytes = Value::Bytes(b"hi\x01".as_slice().into());
    check(
        "%v|%s|%q|%x|%d|%U",
        &vec![bytes.clone(); 6],
        "[104 105 1]|hi\u{1}|\"hi\\x01\"|686901|[104 105 1]|[U+0068 U+0069 U+0001]",
    );
    check("%#v", &[bytes], "[]byte{0x68, 0x69, 0x1}");
    check("%v|%s|%#v", &vec![Value::nil_bytes(); 3], "[]||[]byte(nil)");
    check("%v|%#v", &vec![Value::List(List::nil(ListKind::Any)); 2], "[]|[]interface {}(nil)");
    check("%v|%#v", &vec![Value::Map(Map::nil(MapKind::Any)); 2], "map[]|map[string]interface {}(nil)");
}

#[test]
fn print_and_println() {
    let check = |args: &[Value], print: &str, println: &str| {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        sprint(args, &mut one).unwrap();
        sprintln(args, &mut two).unwrap();
        assert_eq!(
            (String::from_utf8(one).unwrap().as_str(), String::from_utf8(two).unwrap().as_str()),
            (print, println)
        );
    };
    check(&[Value::Nil, list(&[Value::Int(1)])], "<nil> [1]", "<nil> [1]\n");
    check(&[Value::str("a"), Value::Int(99), Value::str("b")], "a99b", "a 99 b\n");
    check(&[Value::Int(1), Value::Int(2)], "1 2", "1 2\n");
    check(&[], "", "\n");
}

#[test]
fn what_has_no_end_is_an_error() {
    let cycle = Map::new();
    cycle.insert(Str::from("a"), Value::Map(cycle.clone()));
    assert_eq!(print_value(&Value::Map(cycle.clone()), &mut Vec::new()), Err(Endless));
    cycle.remove(b"a");
    // Each level holds the one below twice.
    let mut wide = Value::str("x".repeat(10_000));
    for _ in 0..60 {
        wide = list(&[wide.clone(), wide]);
    }
    assert_eq!(print_value(&wide, &mut Vec::new()), Err(Endless));
    let many = "%1000000d".repeat(100);
    assert_eq!(sprintf(many.as_bytes(), &vec![Value::Int(1); 100], &mut Vec::new()), Err(Endless));
}
