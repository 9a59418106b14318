//! The little language of `--set` and its relatives.

use super::values::merge_tables;
use pintle_golib::{strconv, unicode};
use pintle_value::{List, Map, Str, Value, json};

const MAX_INDEX: i64 = 65536;
const MAX_NESTING: usize = 30;
/// How many empty places one argument may create in sparse lists.
const MAX_PADDING: usize = 1 << 20;

/// What the texts after `=` become.
enum Reading<'a> {
    /// `--set`: bools, nulls and integers are recognised.
    Typed,
    /// `--set-string`
    Text,
    /// `--set-json`
    Json,
    /// `--set-literal`: no escapes, the rest of the argument is the value.
    Literal,
    /// `--set-file`: the text names what to read.
    File(&'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>),
}

/// `--set`: `a.b=1,c[0]=x`.
///
/// # Errors
/// Helm's text, without the flag's name.
pub fn set(text: &str, dest: &Map) -> Result<(), String> {
    run(text, dest, Reading::Typed)
}

/// `--set-string`: every value is text.
///
/// # Errors
/// As [`set`].
pub fn set_string(text: &str, dest: &Map) -> Result<(), String> {
    run(text, dest, Reading::Text)
}

/// `--set-json`: `a={"b":1},c=[2]`, or one object for the whole.
///
/// # Errors
/// As [`set`].
pub fn set_json(text: &str, dest: &Map) -> Result<(), String> {
    if text.trim_start().starts_with('{') {
        let read = json::decode(text.trim().as_bytes()).map_err(|e| e.to_string())?;
        if let Value::Map(table) = read {
            merge_tables(dest, &table);
        }
        return Ok(());
    }
    run(text, dest, Reading::Json)
}

/// `--set-literal`: `a.b=anything, up to the end`.
///
/// # Errors
/// As [`set`].
pub fn set_literal(text: &str, dest: &Map) -> Result<(), String> {
    run(text, dest, Reading::Literal)
}

/// `--set-file`: `a.b=path`; `read` gives the content of what the path names.
///
/// # Errors
/// As [`set`], and what `read` says.
pub fn set_file(text: &str, dest: &Map, read: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>) -> Result<(), String> {
    run(text, dest, Reading::File(read))
}

fn run<'a>(text: &'a str, dest: &Map, reading: Reading<'a>) -> Result<(), String> {
    let mut parser = Parser { text, at: 0, reading, padding: MAX_PADDING };
    while parser.key(dest, 0)? {}
    Ok(())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    reading: Reading<'a>,
    padding: usize,
}

/// Go's words for a failed type assertion, as the recovered panic prints it.
fn not_a(value: &Value, wanted: &str) -> String {
    let found = if matches!(value, Value::Nil) { "nil" } else { value.type_name() };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Text up to one of the stops, which is taken too; `None` at the end of the argument.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return (text, Some(c));
            }
            if c == '\\' && !matches!(self.reading, Reading::Literal) {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => break,
                }
            } else {
                text.push(c);
            }
        }
        (text, None)
    }

    /// Reads `key=value` into the map; false at the end of the argument.
    fn key(&mut self, map: &Map, level: usize) -> Result<bool, String> {
        let literal = matches!(self.reading, Reading::Literal);
        let stops: &[char] = if literal { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Ok(false),
            None => Err(format!("key {} has no value", strconv::quote(key.as_bytes()))),
            Some('[') => {
                let Some(index) = self.index()? else { return Ok(false) };
                let items = match map.get(key.as_bytes()) {
                    None => Vec::new(),
                    Some(Value::List(list)) => list.to_vec(),
                    Some(other) => return Err(not_a(&other, "[]interface {}")),
                };
                let (items, more) = self.item(items, index, level)?;
                put(map, key, Value::List(List::new(items)));
                Ok(more)
            }
            Some('=') => {
                let (value, more) = self.value()?;
                put(map, key, value);
                Ok(more)
            }
            Some(',') => {
                put(map, key.clone(), Value::str(""));
                Err(format!("key {} has no value (cannot end with ,)", strconv::quote(key.as_bytes())))
            }
            Some(_) => {
                if level + 1 > MAX_NESTING {
                    return Err(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
                    ));
                }
                let inner = match map.get(key.as_bytes()) {
                    None => Map::new(),
                    Some(Value::Map(inner)) => inner,
                    Some(other) => return Err(not_a(&other, "map[string]interface {}")),
                };
                let more = self.key(&inner, level + 1)?;
                if inner.is_empty() {
                    if more {
                        return Err(format!("key map {} has no value", strconv::quote(key.as_bytes())));
                    }
                } else {
                    put(map, key, Value::Map(inner));
                }
                Ok(more)
            }
        }
    }

    /// The index before `]`; nothing if the argument ends, which Helm passes over in silence.
    fn index(&mut self) -> Result<Option<i64>, String> {
        let (digits, stop) = self.until(&[']']);
        if stop.is_none() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| {
            format!("error parsing index: strconv.Atoi: parsing {}: invalid syntax", strconv::quote(digits.as_bytes()))
        })
    }

    /// Reads what follows `[index]`.
    fn item(&mut self, mut items: Vec<Value>, index: i64, level: usize) -> Result<(Vec<Value>, bool), String> {
        if index < 0 {
            return Err(format!("negative {index} index not allowed"));
        }
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            // Go prints the runes one by one.
            let runes: Vec<String> = text.chars().map(quote_rune).collect();
            return Err(format!("unexpected data at end of array index: [{}]", runes.join(" ")));
        }
        let at = index as usize;
        match stop {
            None => Ok((items, false)),
            Some('=') => {
                let (value, _) = self.value()?;
                self.place(&mut items, index, value)?;
                Ok((items, true))
            }
            Some('[') => {
                if level + 1 > MAX_NESTING {
                    return Err(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
                    ));
                }
                let Some(next) = self.index()? else { return Ok((items, false)) };
                let existing = match items.get(at) {
                    None | Some(Value::Nil) => Vec::new(),
                    Some(Value::List(list)) => list.to_vec(),
                    Some(other) => return Err(not_a(other, "[]interface {}")),
                };
                let (inner, more) = self.item(existing, next, level + 1)?;
                // Where the argument ends early, Helm forgets what it was about to put here.
                if more {
                    self.place(&mut items, index, Value::List(List::new(inner)))?;
                }
                Ok((items, more))
            }
            Some(_) => {
                let inner = match items.get_mut(at) {
                    Some(Value::Map(inner)) => inner.clone(),
                    Some(other) => {
                        let inner = Map::new();
                        *other = Value::Map(inner.clone());
                        inner
                    }
                    None => Map::new(),
                };
                if level + 1 > MAX_NESTING {
                    return Err(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
                    ));
                }
                let more = self.key(&inner, level + 1)?;
                if more {
                    self.place(&mut items, index, Value::Map(inner))?;
                }
                Ok((items, more))
            }
        }
    }

    fn place(&mut self, items: &mut Vec<Value>, index: i64, value: Value) -> Result<(), String> {
        if index > MAX_INDEX {
            return Err(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}"));
        }
        let at = index as usize;
        if at >= items.len() {
            self.padding = self
                .padding
                .checked_sub(at + 1 - items.len())
                .ok_or_else(|| format!("sparse lists of more than {MAX_PADDING} places"))?;
            items.resize(at + 1, Value::Nil);
        }
        items[at] = value;
        Ok(())
    }

    /// Reads the value after `=`, with the comma after it; false where the argument ends instead of a value.
    fn value(&mut self) -> Result<(Value, bool), String> {
        match self.reading {
            Reading::Json => return self.json(),
            Reading::Literal => {
                let rest = self.text[self.at..].to_owned();
                self.at = self.text.len();
                return Ok((Value::str(rest), true));
            }
            _ => {}
        }
        match self.peek() {
            None => return Ok((Value::str(""), false)),
            Some('{') => {
                self.next();
                return self.list();
            }
            Some(_) => {}
        }
        let (text, _) = self.until(&[',']);
        // At the end too: whoever asks for a key next finds out.
        Ok((self.read(text)?, true))
    }

    fn list(&mut self) -> Result<(Value, bool), String> {
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            let Some(stop) = stop else {
                return Err("list must terminate with '}'".into());
            };
            items.push(self.read(text)?);
            if stop == '}' {
                if self.peek() == Some(',') {
                    self.next();
                }
                // What follows without a comma is read as the next key, as Helm does.
                return Ok((Value::List(List::new(items)), true));
            }
        }
    }

    fn read(&mut self, text: String) -> Result<Value, String> {
        match &mut self.reading {
            Reading::Typed => Ok(typed(text)),
            Reading::File(read) => Ok(Value::str(read(&text)?)),
            _ => Ok(Value::str(text)),
        }
    }

    fn json(&mut self) -> Result<(Value, bool), String> {
        self.blanks();
        match self.peek() {
            None => return Ok((Value::Nil, true)),
            Some(',') => {
                self.at += 1;
                return Ok((Value::Nil, true));
            }
            Some(_) => {}
        }
        let (value, length) = json::decode_prefix(&self.text.as_bytes()[self.at..]).map_err(|e| e.to_string())?;
        self.at += length;
        self.blanks();
        if self.peek() == Some(',') {
            self.at += 1;
        }
        // What follows without a comma is read as the next key here too.
        Ok((value, true))
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches(unicode::is_space).len();
    }
}

fn quote_rune(rune: char) -> String {
    let mut buffer = [0; 4];
    let quoted = strconv::quote(rune.encode_utf8(&mut buffer).as_bytes());
    match rune {
        '\'' => "'\\''".into(),
        '"' => "'\"'".into(),
        _ => format!("'{}'", &quoted[1..quoted.len() - 1]),
    }
}

fn put(map: &Map, key: String, value: Value) {
    if !key.is_empty() {
        map.insert(Str::from(key), value);
    }
}

fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Nil;
    }
    if text == "0" {
        return Value::Int64(0);
    }
    if !text.starts_with('0')
        && let Ok(number) = text.parse::<i64>()
    {
        return Value::Int64(number);
    }
    Value::str(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Frozen;
    use super::*;

    fn check(run: fn(&str, &Map) -> Result<(), String>, text: &str, want: Result<&str, &str>) {
        let map = Map::new();
        let got = run(text, &map).map(|()| serde_json::Value::from(&Frozen::of(&Value::Map(map)).unwrap()).to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), want, "{text:?}");
    }

    #[test]
    fn set_reads_types_and_structure() {
        let nested = format!("{}=1", vec!["a"; 32].join("."));
        let cases = [
            ("", Ok("{}")),
            ("a=1", Ok(r#"{"a":1}"#)),
            (
                "a=1,b=x,c=TRUE,d=null,e=007,f=1.5,g=0",
                Ok(r#"{"a":1,"b":"x","c":true,"d":null,"e":"007","f":"1.5","g":0}"#),
            ),
            ("a=", Ok(r#"{"a":""}"#)),
            ("a=,b=1", Ok(r#"{"a":"","b":1}"#)),
            ("=v,b=1", Ok(r#"{"b":1}"#)),
            ("a.b.c=1,a.d=2", Ok(r#"{"a":{"b":{"c":1},"d":2}}"#)),
            ("a={1,x,true}", Ok(r#"{"a":[1,"x",true]}"#)),
            ("a={}", Ok(r#"{"a":[""]}"#)),
            ("a={1},b=2", Ok(r#"{"a":[1],"b":2}"#)),
            ("a={1", Err("list must terminate with '}'")),
            ("a[2]=x", Ok(r#"{"a":[null,null,"x"]}"#)),
            ("a[0].b=1,a[0].c=2,a[1][1]=3", Ok(r#"{"a":[{"b":1,"c":2},[null,3]]}"#)),
            ("a\\.b=1\\,2", Ok(r#"{"a.b":"1,2"}"#)),
            ("a", Err(r#"key "a" has no value"#)),
            ("a,", Err(r#"key "a" has no value (cannot end with ,)"#)),
            ("a[-1]=1", Err("negative -1 index not allowed")),
            ("a[65537]=1", Err("index of 65537 is greater than maximum supported index of 65536")),
            ("a[0]xy=1", Err("unexpected data at end of array index: ['x' 'y']")),
            (
                "a=1,a.b=2",
                Err("unable to parse key: interface conversion: interface {} is int64, not map[string]interface {}"),
            ),
            (nested.as_str(), Err("value name nested level is greater than maximum supported nested level of 30")),
        ];
        for (text, want) in cases {
            check(set, text, want);
        }
    }

    #[test]
    fn relatives() {
        check(set_string, "a=1,b=true", Ok(r#"{"a":"1","b":"true"}"#));
        check(set_literal, r"a.b=x,y=\z,[0]", Ok(r#"{"a":{"b":"x,y=\\z,[0]"}}"#));
        check(set_json, r#"a={"b":[1,null]},c=,d=5"#, Ok(r#"{"a":{"b":[1,null]},"c":null,"d":5}"#));
        check(set_json, r#"{"a":{"b":1}}"#, Ok(r#"{"a":{"b":1}}"#));
    }

    #[test]
    fn padding_is_bounded() {
        let text: String = (0..40).map(|n| format!("a{n}[65536]=1,")).collect();
        assert!(set(text.trim_end_matches(','), &Map::new()).unwrap_err().contains("sparse lists"));
    }

    #[test]
    fn files_are_asked_for() {
        let map = Map::new();
        set_file("a=x,b=y", &map, &mut |path| Ok(format!("<{path}>").into_bytes())).unwrap();
        assert_eq!(map.get(b"b").unwrap().as_bytes(), Some(&b"<y>"[..]));
    }
}
