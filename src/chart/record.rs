//! The chart as Helm keeps it inside a release record: processed metadata and values, own templates and files, no
//! subcharts.

use super::{Chart, File, Frozen, Lock, Metadata};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};

#[derive(Serialize)]
struct Record<'a> {
    metadata: &'a Metadata,
    lock: Option<LockRecord<'a>>,
    templates: Vec<FileRecord<'a>>,
    values: serde_json::Value,
    schema: Option<String>,
    schemamodtime: &'static str,
    files: Vec<FileRecord<'a>>,
}

#[derive(Serialize)]
struct LockRecord<'a> {
    generated: &'a str,
    digest: &'a str,
    dependencies: &'a [super::Dependency],
}

const NEVER: &str = "0001-01-01T00:00:00Z";

struct FileRecord<'a>(&'a File);

impl Serialize for FileRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            name: &'a str,
            data: String,
        }
        Fields { name: &self.0.name, data: STANDARD.encode(&self.0.data) }.serialize(serializer)
    }
}

/// The JSON of a chart inside a release record, given its metadata and values after processing (see
/// [`super::dependencies::Instance`]).
pub fn to_record_json(chart: &Chart, metadata: &Metadata, values: &Frozen) -> Vec<u8> {
    let record = Record {
        metadata,
        lock: chart.lock.as_ref().map(lock),
        templates: chart.templates.iter().map(FileRecord).collect(),
        values: values.into(),
        schema: chart.schema.as_ref().map(|s| STANDARD.encode(s)),
        schemamodtime: NEVER,
        files: chart.files.iter().map(FileRecord).collect(),
    };
    // Nothing in the record can fail: keys are texts and numbers are finite.
    serde_json::to_vec(&record).unwrap_or_default()
}

fn lock(lock: &Lock) -> LockRecord<'_> {
    // Helm's readers insist on a time.
    let generated = if lock.generated.parse::<jiff::Timestamp>().is_ok() { &lock.generated } else { NEVER };
    LockRecord { generated, digest: &lock.digest, dependencies: &lock.dependencies }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chart::Dependency;

    #[test]
    fn absent_fields_stay_out_and_data_is_base64() {
        let chart = Chart {
            templates: vec![File { name: "templates/a".into(), data: b"x".as_slice().into() }],
            lock: Some(Lock { generated: "never".into(), ..Lock::default() }),
            ..Chart::default()
        };
        let metadata = Metadata {
            name: "c".into(),
            dependencies: vec![Dependency { name: "d".into(), enabled: true, ..Dependency::default() }],
            ..Metadata::default()
        };
        let values = Frozen::try_from(&serde_json::json!({"a": 1.0})).unwrap();
        assert_eq!(
            String::from_utf8(to_record_json(&chart, &metadata, &values)).unwrap(),
            concat!(
                r#"{"metadata":{"name":"c","dependencies":[{"name":"d","repository":"","enabled":true}]},"#,
                r#""lock":{"generated":"0001-01-01T00:00:00Z","digest":"","dependencies":[]},"#,
                r#""templates":[{"name":"templates/a","data":"eA=="}],"values":{"a":1},"schema":null,"#,
                r#""schemamodtime":"0001-01-01T00:00:00Z","files":[]}"#,
            )
        );
    }
}
