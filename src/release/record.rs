//! Helm's release as Helm writes it: the JSON of `pkg/release/v1` (Helm 3 and 4), field by field.
//!
//! Zero times are left out on writing (Helm 4) and `""` or year 1 read as absent (Helm 3). The chart is carried as raw text:
//! it is most of a record's bytes and hardly ever looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// One revision of a release.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Record {
    /// Name of the release.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// When and how it went.
    #[serde(default, deserialize_with = "nullable")]
    pub info: Info,
    /// The chart that was rendered.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "RawChart::is_null")]
    pub chart: RawChart,
    /// The user's values (not the chart's).
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// The rendered objects as one YAML stream, hooks excluded.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// The rendered hooks.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookRecord>,
    /// Revision, from 1.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_zero_u32")]
    pub version: u32,
    /// Namespace of the release.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// How the objects were written; absent in records of Helm 3, which means client-side.
    #[serde(default, deserialize_with = "apply_method", skip_serializing_if = "Option::is_none")]
    pub apply_method: Option<ApplyMethod>,
    /// The user's labels. They are labels of the storage object and not part of the JSON.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
}

/// When and how a revision went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Info {
    /// When revision 1 was deployed.
    #[serde(default, with = "go_time", skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<Timestamp>,
    /// When this revision was deployed.
    #[serde(default, with = "go_time", skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<Timestamp>,
    /// When the release was uninstalled.
    #[serde(default, with = "go_time", skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// One sentence on the last thing that happened.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where the revision stands.
    #[serde(default, deserialize_with = "nullable")]
    pub status: Status,
    /// Rendered NOTES.txt.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// The revision that this one restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_revision: Option<u32>,
}

/// Where a revision stands. `Display` gives Helm's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// A word that Helm does not know.
    #[default]
    Unknown,
    /// The revision is what the cluster should hold.
    Deployed,
    /// The release is gone, its history was kept.
    Uninstalled,
    /// A later revision replaced this one.
    Superseded,
    /// The operation that made this revision failed.
    Failed,
    /// An uninstall is on its way.
    Uninstalling,
    /// An install is on its way.
    PendingInstall,
    /// An upgrade is on its way.
    PendingUpgrade,
    /// A rollback is on its way.
    PendingRollback,
}

impl Status {
    /// All statuses with Helm's words for them.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Unknown, "unknown"),
        (Self::Deployed, "deployed"),
        (Self::Uninstalled, "uninstalled"),
        (Self::Superseded, "superseded"),
        (Self::Failed, "failed"),
        (Self::Uninstalling, "uninstalling"),
        (Self::PendingInstall, "pending-install"),
        (Self::PendingUpgrade, "pending-upgrade"),
        (Self::PendingRollback, "pending-rollback"),
    ];

    /// Helm's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("unknown", |(_, word)| word)
    }

    /// The status that a word stands for; words that Helm does not know are `Unknown`.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::ALL.iter().find(|(_, known)| *known == word).map_or(Self::Unknown, |(status, _)| *status)
    }

    /// Whether an operation holds the release.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_word(&String::deserialize(deserializer)?))
    }
}

/// How the objects of a revision were written to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ApplyMethod {
    /// By server-side apply.
    #[serde(rename = "ssa")]
    ServerSide,
    /// By create and client-side three-way merge.
    #[serde(rename = "csa")]
    ClientSide,
}

/// Chart.yaml of the stored chart, as far as lists and plans need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartMetadata {
    /// Chart name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Chart version.
    #[serde(default, deserialize_with = "nullable")]
    pub version: String,
    /// Version of what the chart installs.
    #[serde(default, deserialize_with = "nullable")]
    pub app_version: String,
    /// `v1` or `v2`.
    #[serde(default, deserialize_with = "nullable")]
    pub api_version: String,
    /// One line on the chart.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// The chart's icon.
    #[serde(default, deserialize_with = "nullable")]
    pub icon: String,
    /// Whether the chart calls itself deprecated.
    #[serde(default, deserialize_with = "nullable")]
    pub deprecated: bool,
    /// Chart annotations.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
}

/// The stored chart as JSON text: shared, never parsed whole. What it is packed to is kept with it, because the record of a
/// revision is written several times with the same chart.
#[derive(Clone, Debug)]
pub struct RawChart(Arc<Chart>);

#[derive(Debug)]
struct Chart {
    json: Box<RawValue>,
    packed: OnceLock<Vec<u8>>,
}

impl RawChart {
    /// Takes a chart in its stored JSON form.
    #[must_use]
    pub fn new(json: Box<RawValue>) -> Self {
        Self(Arc::new(Chart { json, packed: OnceLock::new() }))
    }

    /// Serialises a chart into its stored form.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn from_json<T: Serialize + ?Sized>(chart: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(chart).map(Self::new)
    }

    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.json.get()
    }

    /// What `pack` makes of the JSON text, from the second time on without asking it.
    pub(super) fn packed(&self, pack: impl FnOnce(&str) -> Vec<u8>) -> &[u8] {
        self.0.packed.get_or_init(|| pack(self.json()))
    }

    /// Whether there is no chart at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json() == "null"
    }

    /// Name, versions and the like. Only this part of the chart is parsed.
    ///
    /// # Errors
    /// When the chart is not an object or its metadata is not what Helm writes.
    pub fn metadata(&self) -> Result<ChartMetadata, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default, deserialize_with = "nullable")]
            metadata: ChartMetadata,
        }
        let head: Option<Head> = serde_json::from_str(self.json())?;
        Ok(head.map(|head| head.metadata).unwrap_or_default())
    }

    /// The chart's default values as stored (subcharts' defaults are merged in). Only this part of the chart is parsed.
    ///
    /// # Errors
    /// When the chart is not an object or its values are not a map.
    pub fn values(&self) -> Result<Map<String, Value>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default, deserialize_with = "nullable")]
            values: Map<String, Value>,
        }
        let head: Option<Head> = serde_json::from_str(self.json())?;
        Ok(head.map(|head| head.values).unwrap_or_default())
    }
}

impl Default for RawChart {
    fn default() -> Self {
        Self::new(RawValue::NULL.to_owned())
    }
}

impl PartialEq for RawChart {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.json() == other.json()
    }
}

impl Serialize for RawChart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawChart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::new)
    }
}

/// A rendered hook and what became of its last run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct HookRecord {
    /// Name of the object.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Kind of the object.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Template that it came from.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The object as YAML.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// When it runs: `pre-install`, `test` and so on.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The last run.
    #[serde(default, deserialize_with = "nullable")]
    pub last_run: LastRun,
    /// Order among the hooks of one event.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_zero_i32")]
    pub weight: i32,
    /// When the object is deleted: `hook-succeeded` and so on.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<String>,
    /// When its log is printed.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub output_log_policies: Vec<String>,
}

/// A run of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct LastRun {
    /// When it was created.
    #[serde(default, with = "go_time", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was seen to be over.
    #[serde(default, with = "go_time", skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// How it went.
    #[serde(default, deserialize_with = "nullable")]
    pub phase: HookPhase,
}

/// How a run of a hook went. `Display` gives Helm's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HookPhase {
    /// Never run.
    #[default]
    None,
    /// Nobody can tell.
    Unknown,
    /// Created, not over.
    Running,
    /// Over, well.
    Succeeded,
    /// Over, not well.
    Failed,
}

impl HookPhase {
    /// Helm's word; empty for a hook that never ran.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Unknown => "Unknown",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for HookPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for HookPhase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for HookPhase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "" => Self::None,
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            _ => Self::Unknown,
        })
    }
}

/// Go writes absent maps, lists and pointers as `null`; for us that is the default.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Helm takes whatever is not `ssa` for client-side.
fn apply_method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ApplyMethod>, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    Ok(match word.as_str() {
        "" => None,
        "ssa" => Some(ApplyMethod::ServerSide),
        _ => Some(ApplyMethod::ClientSide),
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero_u32(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero_i32(number: &i32) -> bool {
    *number == 0
}

/// Go's `time.Time` in JSON: RFC 3339 with nanoseconds; the zero time is absence.
mod go_time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
            return Ok(None);
        }
        text.parse().map(Some).map_err(serde::de::Error::custom)
    }
}
