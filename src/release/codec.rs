//! A record as bytes: JSON, gzip, base64, the way Helm's storage drivers write it.
//!
//! Reading is tolerant (records that were never packed, Helm 3's empty times) and bounded: a record comes from whoever may
//! write Secrets in a namespace.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use flate2::{Compress, Compression, Crc, FlushCompress};

use super::error::{Error, Result};
use super::record::{RawChart, Record};

/// What every gzip stream begins with; Helm tells packed records from plain ones by it.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Above this many packed bytes the slowest compression is worth its time: the object's limit is 1 MiB after base64.
const TIGHT: usize = 600 * 1024;

/// Bounds for reading a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of JSON after unpacking.
    pub json_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { json_bytes: 64 << 20 }
    }
}

/// Encodes a record for storage: JSON, gzip, base64.
///
/// # Errors
/// When the record cannot be written as JSON.
pub fn encode(record: &Record) -> Result<Vec<u8>> {
    let unwritable = |error: serde_json::Error| Error::Encode(error.to_string());
    let mut packed = if record.chart.is_null() {
        pack(&[Part::Text(&serde_json::to_vec(record).map_err(unwritable)?)], Compression::default())?
    } else {
        // The chart goes last and is compressed apart from the rest: it is most of the bytes and always the same.
        let rest = Record { chart: RawChart::default(), ..record.clone() };
        let mut head = serde_json::to_vec(&rest).map_err(unwritable)?;
        head.pop();
        head.extend_from_slice(br#","chart":"#);
        let chart = Part::Packed {
            text: record.chart.json().as_bytes(),
            packed: record.chart.packed(|json| deflate(json.as_bytes(), Compression::default(), FlushCompress::Sync)),
        };
        pack(&[Part::Text(&head), chart, Part::Text(b"}")], Compression::default())?
    };
    if packed.len() > TIGHT {
        packed = pack(&[Part::Text(&serde_json::to_vec(record).map_err(unwritable)?)], Compression::best())?;
    }
    Ok(STANDARD.encode(packed).into_bytes())
}

/// A stretch of the text that is packed.
enum Part<'a> {
    Text(&'a [u8]),
    /// Compressed already, by [`deflate`] with [`FlushCompress::Sync`].
    Packed {
        text: &'a [u8],
        packed: &'a [u8],
    },
}

/// One gzip member (RFC 1952) of parts that were compressed apart from each other: a deflate stream is made of blocks, and
/// blocks that end on a byte and refer to nothing before them can be put one after the other.
fn pack(parts: &[Part<'_>], level: Compression) -> Result<Vec<u8>> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut checksum = Crc::new();
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => {
                checksum.update(text);
                let last = index + 1 == parts.len();
                out.extend(deflate(text, level, if last { FlushCompress::Finish } else { FlushCompress::Sync }));
            }
            Part::Packed { text, packed } => {
                checksum.update(text);
                out.extend_from_slice(packed);
            }
        }
    }
    out.extend_from_slice(&checksum.sum().to_le_bytes());
    out.extend_from_slice(&checksum.amount().to_le_bytes());
    Ok(out)
}

/// Raw deflate blocks. With `Sync` they end on a byte and another stretch may follow, with `Finish` they are the last.
fn deflate(text: &[u8], level: Compression, flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(level, false);
    let mut out = Vec::with_capacity(text.len() / 4 + 64);
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(usize::MAX).min(text.len());
        let status = compress.compress_vec(&text[consumed..], &mut out, flush);
        let all_in = compress.total_in() == text.len() as u64;
        // With room to spare after everything went in, the flush is complete.
        match status {
            Ok(flate2::Status::StreamEnd) => return out,
            Ok(_) if all_in && flush != FlushCompress::Finish && out.len() < out.capacity() => return out,
            Ok(_) => out.reserve(out.capacity().max(4096)),
            // Memory to memory there is nothing that can fail but a lack of room, which is made above.
            Err(_) => return out,
        }
    }
}

/// Decodes a stored record. Labels are not in it: the storage adds them.
///
/// # Errors
/// When the bytes are not a record or unpack to more than the limit.
pub fn decode(stored: &[u8], limits: &Limits) -> Result<Record> {
    let packed = STANDARD.decode(stored.trim_ascii()).map_err(|error| Error::Decode(format!("not base64: {error}")))?;
    if !packed.starts_with(&GZIP_MAGIC) {
        if packed.len() > limits.json_bytes {
            return Err(Error::TooLarge { limit: limits.json_bytes });
        }
        return parse(&packed);
    }
    parse(&unpack(&packed, limits)?)
}

/// One gzip member of a text.
pub(super) fn gzip(text: &[u8]) -> Result<Vec<u8>> {
    pack(&[Part::Text(text)], Compression::best())
}

/// Undoes gzip, up to the limit.
pub(super) fn unpack(packed: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    let mut json = Vec::new();
    let bound = u64::try_from(limits.json_bytes).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed)
        .take(bound)
        .read_to_end(&mut json)
        .map_err(|error| Error::Decode(format!("not gzip: {error}")))?;
    if json.len() > limits.json_bytes {
        return Err(Error::TooLarge { limit: limits.json_bytes });
    }
    Ok(json)
}

fn parse(json: &[u8]) -> Result<Record> {
    // serde would take a list for a record without fields.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(Error::Decode("it is not a JSON object".to_owned()));
    }
    serde_json::from_slice(json).map_err(|error| Error::Decode(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::release::record::{ApplyMethod, HookPhase, Status};

    const HELM4: &str = r#"{"name":"web","info":{"first_deployed":"2026-11-21T10:00:00.123456789Z","last_deployed":"2026-11-21T11:00:00.5Z","description":"Upgrade complete","status":"deployed","notes":"hi <b>"},
        "chart":{"metadata":{"name":"podinfo","version":"6.7.0","apiVersion":"v2","appVersion":"6.7"},"lock":null,"templates":[{"name":"templates/a.yaml","data":"YQ=="}],"values":{"replicas":1.5,"big":12345678901234567890},"schema":null,"schemamodtime":"0001-01-01T00:00:00Z","files":[]},
        "config":{"a":{"b":[1,null,"x"]}},"manifest":"---\n# Source: a\n","hooks":[{"name":"t","kind":"Pod","path":"p","manifest":"m","events":["test"],"last_run":{"started_at":"2026-11-21T10:00:01Z","completed_at":"2026-11-21T10:00:02Z","phase":"Succeeded"},"weight":-5,"delete_policies":["before-hook-creation"]}],
        "version":3,"namespace":"shop","apply_method":"ssa"}"#;

    fn packed(json: &str) -> Vec<u8> {
        STANDARD.encode(pack(&[Part::Text(json.as_bytes())], Compression::best()).unwrap()).into_bytes()
    }

    #[test]
    fn what_helm_wrote_comes_back_equal() {
        let record = decode(&packed(HELM4), &Limits::default()).unwrap();
        assert_eq!(record.version, 3);
        assert_eq!(record.info.status, Status::Deployed);
        assert_eq!(record.apply_method, Some(ApplyMethod::ServerSide));
        assert_eq!(record.hooks[0].last_run.phase, HookPhase::Succeeded);
        let metadata = record.chart.metadata().unwrap();
        assert_eq!((metadata.name.as_str(), metadata.app_version.as_str()), ("podinfo", "6.7"));
        let again = serde_json::to_value(decode(&encode(&record).unwrap(), &Limits::default()).unwrap()).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(HELM4).unwrap());
    }

    /// Whatever the sizes: one member, whole, with a right checksum (a reader that stops at the first member sees it all).
    #[test]
    fn parts_make_one_gzip_member() {
        let mut noise = 0x2545_f491_4f6c_dd1d_u64;
        let mut text = |length: usize| -> String {
            let byte = || {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                char::from(b'a' + u8::try_from(noise % 26).unwrap())
            };
            std::iter::repeat_with(byte).take(length).collect()
        };
        for (chart, manifest) in [(1, 0), (5, 70_000), (70_000, 5), (400_000, 1_000), (1 << 20, 1 << 20)] {
            let record = Record {
                chart: RawChart::from_json(&serde_json::json!({"files": text(chart)})).unwrap(),
                manifest: text(manifest),
                ..Record::default()
            };
            for _ in 0..2 {
                let packed = STANDARD.decode(encode(&record).unwrap()).unwrap();
                let mut json = String::new();
                flate2::bufread::GzDecoder::new(packed.as_slice()).read_to_string(&mut json).unwrap();
                let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
                assert_eq!(parsed, serde_json::to_value(&record).unwrap());
            }
        }
    }

    #[test]
    fn times_of_helm_3_and_nulls_are_absent() {
        let json = r#"{"name":"web","version":1,"chart":null,"config":null,"hooks":null,"manifest":null,"unheard":{"of":1},
            "info":{"first_deployed":"2026-11-21T11:00:00+01:00","last_deployed":"0001-01-01T00:00:00Z","deleted":"","description":null,"status":"nonsense"}}"#;
        let record = decode(&STANDARD.encode(json).into_bytes(), &Limits::default()).unwrap();
        assert_eq!(record.info.first_deployed, Some("2026-11-21T10:00:00Z".parse().unwrap()));
        assert_eq!((record.info.last_deployed, record.info.deleted), (None, None));
        assert_eq!(record.info.status, Status::Unknown);
        assert_eq!(record.apply_method, None);
        assert!(record.chart.is_null());
        assert_eq!(record.chart.metadata().unwrap(), crate::release::ChartMetadata::default());
    }

    #[test]
    fn hostile_bytes_are_errors() {
        let bomb = packed(&" ".repeat(1 << 20));
        assert!(matches!(decode(&bomb, &Limits { json_bytes: 1 << 16 }), Err(Error::TooLarge { .. })));
        let plain = STANDARD.encode(" ".repeat(100)).into_bytes();
        assert!(matches!(decode(&plain, &Limits { json_bytes: 10 }), Err(Error::TooLarge { .. })));
        let deep = format!("{{\"config\":{}1{}}}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        let mut cut = packed(HELM4);
        cut.truncate(cut.len() / 2);
        for bytes in [packed(&deep), cut, b"!!".to_vec(), Vec::new(), packed("[]"), packed("{\"version\":-1}")] {
            assert!(matches!(decode(&bytes, &Limits::default()), Err(Error::Decode(_))));
        }
    }

    #[test]
    fn statuses_have_helms_words() {
        for (status, word) in Status::ALL {
            assert_eq!(status.to_string(), word);
            assert_eq!(Status::from_word(word), status);
        }
    }
}
