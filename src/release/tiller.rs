//! Releases of Helm 2: what Tiller wrote down, read so that a release can go on. Nothing is ever written in this form.
//!
//! It is a message of Protocol Buffers (`hapi.release.Release`), packed as Helm's records are. Read is what a record has a place
//! for and what going on needs: not the chart's templates and files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::codec::{Limits, unpack};
use super::error::{Error, Result};
use super::record::{HookRecord, Info, LastRun, RawChart, Record, Status};
use super::storage::Stored;
use crate::chart::Frozen;

/// Most items of one list in a message.
const ITEMS: usize = 10_000;

/// Helm 2's status codes.
const STATUSES: [Status; 9] = [
    Status::Unknown,
    Status::Deployed,
    Status::Uninstalled,
    Status::Superseded,
    Status::Failed,
    Status::Uninstalling,
    Status::PendingInstall,
    Status::PendingUpgrade,
    Status::PendingRollback,
];

/// Helm 2's hook events, in the words of later ones.
const EVENTS: [&str; 12] = [
    "",
    "pre-install",
    "post-install",
    "pre-delete",
    "post-delete",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "test-success",
    "test-failure",
    "crd-install",
];

/// Helm 2's delete policies.
const POLICIES: [&str; 3] = ["hook-succeeded", "hook-failed", "before-hook-creation"];

/// Decodes the content of one of Tiller's objects.
///
/// # Errors
/// When the bytes are not a release of Helm 2 or unpack to more than the limit.
pub fn decode(stored: &[u8], limits: &Limits) -> Result<Record> {
    let packed = STANDARD.decode(stored.trim_ascii()).map_err(|error| Error::Decode(format!("not base64: {error}")))?;
    let message = unpack(&packed, limits)?;
    let mut record = Record::default();
    let mut values = Map::new();
    let mut metadata = Value::Null;
    for field in Fields(&message) {
        match field? {
            (1, Field::Bytes(name)) => record.name = text(name),
            (2, Field::Bytes(info)) => record.info = read_info(info)?,
            (3, Field::Bytes(chart)) => (metadata, values) = read_chart(chart)?,
            (4, Field::Bytes(config)) => record.config = read_values(config)?,
            (5, Field::Bytes(manifest)) => record.manifest = text(manifest),
            (6, Field::Bytes(hook)) => push(&mut record.hooks, read_hook(hook)?)?,
            (7, Field::Number(version)) => record.version = u32::try_from(version).unwrap_or_default(),
            (8, Field::Bytes(namespace)) => record.namespace = text(namespace),
            _ => {}
        }
    }
    if record.name.is_empty() || record.version == 0 {
        return Err(Error::Decode("it is not a release of Helm 2".to_owned()));
    }
    let chart =
        json!({"metadata": metadata, "lock": null, "templates": null, "values": values, "schema": null, "files": null});
    record.chart = RawChart::from_json(&chart).map_err(|error| Error::Decode(error.to_string()))?;
    Ok(record)
}

/// Which of a release's records says what is on the cluster: the newest deployed one, else the newest. None if it is gone.
pub(super) fn current(mut records: Vec<Stored>) -> Option<Stored> {
    records.sort_by_key(|stored| std::cmp::Reverse(stored.record.version));
    if records.first()?.record.info.status == Status::Uninstalled {
        return None;
    }
    let deployed = records.iter().position(|stored| stored.record.info.status == Status::Deployed);
    Some(records.swap_remove(deployed.unwrap_or(0)))
}

fn read_info(message: &[u8]) -> Result<Info> {
    let mut info = Info::default();
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(status)) => {
                for field in Fields(status) {
                    match field? {
                        (1, Field::Number(code)) => info.status = *known(&STATUSES, code).unwrap_or(&Status::Unknown),
                        (4, Field::Bytes(notes)) => info.notes = text(notes),
                        _ => {}
                    }
                }
            }
            (2, Field::Bytes(time)) => info.first_deployed = read_time(time)?,
            (3, Field::Bytes(time)) => info.last_deployed = read_time(time)?,
            (4, Field::Bytes(time)) => info.deleted = read_time(time)?,
            (5, Field::Bytes(description)) => info.description = text(description),
            _ => {}
        }
    }
    Ok(info)
}

fn read_time(message: &[u8]) -> Result<Option<Timestamp>> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields(message) {
        match field? {
            (1, Field::Number(number)) => seconds = number.cast_signed(),
            (2, Field::Number(number)) => nanos = i32::try_from(number).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(if (seconds, nanos) == (0, 0) { None } else { Timestamp::new(seconds, nanos).ok() })
}

/// Chart.yaml as later Helms write it down, and the chart's values.
fn read_chart(message: &[u8]) -> Result<(Value, Map<String, Value>)> {
    let (mut metadata, mut values) = (Map::new(), Map::new());
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(message)) => metadata = read_metadata(message)?,
            (4, Field::Bytes(message)) => values = read_values(message)?,
            _ => {}
        }
    }
    Ok((metadata.into(), values))
}

fn read_metadata(message: &[u8]) -> Result<Map<String, Value>> {
    let mut metadata = Map::new();
    for field in Fields(message) {
        let (number, Field::Bytes(bytes)) = field? else { continue };
        let key = match number {
            1 => "name",
            2 => "home",
            4 => "version",
            5 => "description",
            9 => "icon",
            10 => "apiVersion",
            11 => "condition",
            12 => "tags",
            13 => "appVersion",
            17 => "kubeVersion",
            _ => continue,
        };
        metadata.insert(key.to_owned(), text(bytes).into());
    }
    Ok(metadata)
}

/// The YAML that the user, or the chart, gave.
fn read_values(message: &[u8]) -> Result<Map<String, Value>> {
    let mut values = Map::new();
    for field in Fields(message) {
        if let (1, Field::Bytes(yaml)) = field? {
            if yaml.trim_ascii().is_empty() {
                continue;
            }
            let unreadable =
                |error: &dyn std::fmt::Display| Error::Decode(format!("its values cannot be read: {error}"));
            let table = crate::chart::values::from_yaml(yaml).map_err(|error| unreadable(&error))?;
            let table = Frozen::of(&pintle_value::Value::Map(table)).map_err(|error| unreadable(&error))?;
            if let Value::Object(read) = (&table).into() {
                values = read;
            }
        }
    }
    Ok(values)
}

fn read_hook(message: &[u8]) -> Result<HookRecord> {
    let mut hook = HookRecord::default();
    for field in Fields(message) {
        match field? {
            (1, Field::Bytes(name)) => hook.name = text(name),
            (2, Field::Bytes(kind)) => hook.kind = text(kind),
            (3, Field::Bytes(path)) => hook.path = text(path),
            (4, Field::Bytes(manifest)) => hook.manifest = text(manifest),
            (5, events) => words(&events, &EVENTS, &mut hook.events)?,
            (6, Field::Bytes(time)) => hook.last_run = LastRun { started_at: read_time(time)?, ..LastRun::default() },
            // A negative number is written as 64 bits.
            (7, Field::Number(weight)) => hook.weight = i32::try_from(weight.cast_signed()).unwrap_or_default(),
            (8, policies) => words(&policies, &POLICIES, &mut hook.delete_policies)?,
            _ => {}
        }
    }
    Ok(hook)
}

/// A list of enum numbers, one field each or all in one, as words. Numbers that Helm 2 does not know are left out.
fn words(field: &Field<'_>, all: &[&str], into: &mut Vec<String>) -> Result<()> {
    let mut add = |number| match known(all, number) {
        Some(word) if !word.is_empty() => push(into, (*word).to_owned()),
        _ => Ok(()),
    };
    match *field {
        Field::Number(number) => add(number),
        Field::Bytes(mut packed) => {
            while !packed.is_empty() {
                add(varint(&mut packed)?)?;
            }
            Ok(())
        }
        Field::Other => Ok(()),
    }
}

fn known<T>(all: &[T], number: u64) -> Option<&T> {
    all.get(usize::try_from(number).ok()?)
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    if list.len() >= ITEMS {
        return Err(Error::Decode(format!("a list in it has more than {ITEMS} items")));
    }
    list.push(item);
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The content of a field.
enum Field<'a> {
    Number(u64),
    /// Text, bytes, a message or a packed list.
    Bytes(&'a [u8]),
    /// A number of fixed size: none of those that are read.
    Other,
}

/// The fields of a message, in order; ends after the first error.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<(u64, Field<'a>)> {
        let tag = varint(&mut self.0)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut self.0)?),
            1 => self.take(8).map(|_| Field::Other)?,
            2 => {
                let length = varint(&mut self.0)?;
                Field::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => self.take(4).map(|_| Field::Other)?,
            _ => return Err(malformed()),
        };
        Ok((tag >> 3, field))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// A number of up to 64 bits, seven a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0_u64;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or_else(malformed)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(malformed())
}

fn malformed() -> Error {
    Error::Decode("it is not a message of Protocol Buffers".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::release::codec::gzip;

    /// Made by Helm 2.17's own types.
    const TILLERS: &str = include_str!("../../tests/data/tiller-release.txt");

    fn number(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 127 {
            bytes.push(u8::try_from(number & 127).unwrap() | 128);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    }

    fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
        [number(field << 3 | 2), number(content.len() as u64), content.to_vec()].concat()
    }

    fn packed(message: &[u8]) -> Vec<u8> {
        STANDARD.encode(gzip(message).unwrap()).into_bytes()
    }

    #[test]
    fn what_tiller_wrote_is_read() {
        let record = decode(TILLERS.as_bytes(), &Limits::default()).unwrap();
        assert_eq!((record.name.as_str(), record.namespace.as_str(), record.version), ("web", "shop", 3));
        assert_eq!(record.info.status, Status::Deployed);
        assert_eq!(record.info.first_deployed, Some("2019-06-01T10:00:00.5Z".parse().unwrap()));
        assert_eq!((record.info.description.as_str(), record.info.notes.as_str()), ("Upgrade complete", "hi"));
        assert_eq!(Value::from(record.config.clone()), json!({"replicas": 2, "image": {"tag": "1.5"}}));
        assert_eq!(record.manifest, "\n---\n# Source: web/templates/a.yaml\nkind: ConfigMap\n");
        let metadata = record.chart.metadata().unwrap();
        assert_eq!(
            (metadata.name.as_str(), metadata.version.as_str(), metadata.app_version.as_str()),
            ("web", "1.2.3", "7")
        );
        assert_eq!(Value::from(record.chart.values().unwrap()), json!({"replicas": 1}));
        assert_eq!(record.apply_method, None);
        let hook = &record.hooks[0];
        assert_eq!((hook.name.as_str(), hook.kind.as_str(), hook.weight), ("migrate", "Job", -5));
        assert_eq!(hook.events, ["pre-install", "pre-upgrade"]);
        assert_eq!(hook.delete_policies, ["hook-succeeded", "before-hook-creation"]);
    }

    #[test]
    fn hostile_bytes_are_errors() {
        let named = [bytes(1, b"web"), vec![7 << 3, 1]].concat();
        assert_eq!(decode(&packed(&named), &Limits::default()).unwrap().version, 1);
        let hooks = [named.clone(), bytes(6, b"").repeat(ITEMS + 1)].concat();
        let events = [named.clone(), bytes(6, &bytes(5, &vec![1; ITEMS + 1]))].concat();
        let values = [named.clone(), bytes(4, &bytes(1, b"a: ["))].concat();
        for message in [
            &b""[..],
            b"\x0a",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x0b\x0c",
            &[&named[..], b"\x3d\x00"].concat(),
            &named[..named.len() - 2],
            &hooks,
            &events,
            &values,
        ] {
            assert!(matches!(decode(&packed(message), &Limits::default()), Err(Error::Decode(_))), "{message:?}");
        }
        let bomb = packed(&vec![0; 1 << 20]);
        assert!(matches!(decode(&bomb, &Limits { json_bytes: 1 << 16 }), Err(Error::TooLarge { .. })));
        // Fields of sizes that Helm 2 does not use are stepped over.
        let odd = [named, vec![9 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0], vec![9 << 3 | 5, 0, 0, 0, 0]].concat();
        assert_eq!(decode(&packed(&odd), &Limits::default()).unwrap().name, "web");
    }

    #[test]
    fn the_deployed_record_counts() {
        use Status::{Deployed, Failed, Superseded, Uninstalled};
        let of = |records: &[(u32, Status)]| {
            let record = |&(version, status): &(u32, Status)| {
                Stored::of(Record { version, info: Info { status, ..Info::default() }, ..Record::default() })
            };
            current(records.iter().map(record).collect()).map(|stored| stored.record.version)
        };
        assert_eq!(of(&[(1, Superseded), (2, Deployed), (3, Failed)]), Some(2));
        assert_eq!(of(&[(1, Failed), (2, Failed)]), Some(2));
        assert_eq!(of(&[(2, Uninstalled), (1, Superseded)]), None);
        assert_eq!(of(&[]), None);
    }
}
