//! The world outside of a render: clock, chance, time zones, cluster and names. Nothing here reaches out by itself; the
//! caller passes in what may be reached.

use pintle_golib::{
    regexp::Regex,
    time::{Time, Utc, Zone},
};
use pintle_value::{Map, Value};
use std::{
    cell::RefCell,
    collections::HashMap,
    fs::File,
    io::Read,
    rc::Rc,
    sync::{Arc, LazyLock},
};

/// What functions such as `now`, `randAlpha` and `lookup` ask. Clock, chance and time zones are this machine's unless a host
/// has others; there is no cluster, and there are no names and no schemas elsewhere, unless a host has some.
pub trait Host: Send + Sync {
    /// The time, in UTC.
    fn now(&self) -> Time {
        let now = jiff::Timestamp::now();
        Time::from_unix(now.as_second(), i64::from(now.subsec_nanosecond()))
    }

    /// Fills the bytes by chance, well enough for keys and passwords.
    fn random(&self, bytes: &mut [u8]) {
        // The kernel's chance comes first: the library's own generator takes some 50 ms to gather it when first asked,
        // longer than most charts render.
        static KERNEL: LazyLock<Option<File>> = LazyLock::new(|| File::open("/dev/urandom").ok());
        if KERNEL.as_ref().is_some_and(|mut kernel| kernel.read_exact(bytes).is_ok()) {
            return;
        }
        // The generator fails only where the machine has no source of chance at all; zeros would be worse than a stop,
        // but the library stops by itself there.
        if aws_lc_rs::rand::fill(bytes).is_err() {
            std::process::abort();
        }
    }

    /// The object of this name, or with an empty name the list of them; an empty map if there is none.
    ///
    /// # Errors
    /// Why the cluster could not be asked; absence is no error.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        let _ = (api_version, kind, namespace, name);
        Ok(Value::Map(Map::new()))
    }

    /// The JSON schema at an address that a chart's schema refers to.
    ///
    /// # Errors
    /// Why it cannot be had, in Helm's words where Helm has some.
    fn schema(&self, address: &str) -> Result<Vec<u8>, String> {
        let _ = address;
        Err("schemas at addresses are not read here; disableSchemaValidation does without schemas".into())
    }

    /// An address of the host of this name, or an empty text.
    fn resolve_host(&self, name: &str) -> String {
        let _ = name;
        String::new()
    }

    /// The zone of this name of the IANA database; none if it is unknown.
    fn zone(&self, name: &str) -> Option<Box<dyn Zone>> {
        // Go keeps out of names that climb, and reads the database case by case.
        if name.is_empty() || name == "UTC" {
            return Some(Box::new(Utc));
        }
        if name == "Local" {
            return Some(self.local_zone());
        }
        let zone = jiff::tz::TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name)).then(|| Box::new(Database(zone)) as Box<dyn Zone>)
    }

    /// The zone that Go calls `Local`: that of the process, as Go takes it from TZ or /etc/localtime; without either it is
    /// UTC.
    fn local_zone(&self) -> Box<dyn Zone> {
        let zone = jiff::tz::TimeZone::system();
        if zone.is_unknown() { Box::new(Utc) } else { Box::new(Database(zone)) }
    }
}

/// This machine: its clock, its random numbers and its time zones, and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Host for Machine {}

struct Database(jiff::tz::TimeZone);

impl Zone for Database {
    fn at(&self, unix: i64) -> (i32, String) {
        let instant = jiff::Timestamp::from_second(unix).unwrap_or(if unix < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        let info = self.0.to_offset_info(instant);
        (info.offset().seconds(), info.abbreviation().to_owned())
    }
}

/// What a run of templates carries for the functions: its host, and what counts against its limits.
pub struct Environment {
    /// The world outside.
    pub host: Arc<dyn Host>,
    /// Whether `fail` and `required` let everything pass, as when a chart is linted.
    pub lint: bool,
    /// How often each named template is being included just now.
    pub(super) including: RefCell<HashMap<Box<[u8]>, usize>>,
    /// Regular expressions compiled so far.
    pub(super) patterns: RefCell<HashMap<Box<[u8]>, Rc<Regex>>>,
    /// Which versions fit which constraints: charts ask for the cluster's version again and again.
    pub(super) versions: RefCell<HashMap<Box<[u8]>, bool>>,
}

impl Environment {
    /// An environment around this host.
    pub fn new(host: Arc<dyn Host>, lint: bool) -> Self {
        Self { host, lint, including: RefCell::default(), patterns: RefCell::default(), versions: RefCell::default() }
    }
}
