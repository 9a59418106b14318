//! Kubernetes Events. Not by kube's own recorder: it takes a further event of one reason for a repetition of the first and
//! leaves its note as it was, so that what happened second would be told in the words of what happened first.

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Longest note that the API server takes.
const LONGEST_NOTE: usize = 1000;
/// The same thing said again within this time is a repetition.
const REPETITION: Duration = Duration::from_secs(360);
/// Events that are remembered so that their repetitions are counted.
const REMEMBERED: usize = 1024;

/// Publishes events. Losing one loses nothing: the status says the same.
pub struct Events {
    client: Client,
    told: Mutex<HashMap<(String, String, String), Told>>,
}

/// An event that was published.
struct Told {
    name: String,
    count: i32,
    when: Instant,
}

impl Events {
    /// A publisher that writes as this client.
    pub fn new(client: Client) -> Self {
        Self { client, told: Mutex::default() }
    }

    /// Tells of an object: a warning or not, a reason in one word, and a note, which is cut if it is too long.
    pub async fn tell(&self, about: ObjectReference, warning: bool, reason: &str, note: &str) {
        let mut note = note.to_owned();
        if note.len() > LONGEST_NOTE {
            note.truncate(note.floor_char_boundary(LONGEST_NOTE));
            note.push('…');
        }
        // Events of objects of the cluster are in this namespace.
        let namespace = about.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let key = (about.uid.clone().unwrap_or_default(), reason.to_owned(), note.clone());
        let now = Timestamp::now();
        let result = match self.repetition(&key) {
            Some((name, count)) => {
                let series = EventSeries { count, last_observed_time: MicroTime(now) };
                let patch = Patch::Merge(serde_json::json!({ "series": series }));
                api.patch(&name, &PatchParams::default(), &patch).await
            }
            None => {
                let name = format!("{}.{:x}", about.name.as_deref().unwrap_or_default(), now.as_nanosecond());
                self.remember(key, &name);
                let event = Event {
                    metadata: ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() },
                    action: Some("Reconcile".to_owned()),
                    event_time: Some(MicroTime(now)),
                    note: Some(note),
                    reason: Some(reason.to_owned()),
                    regarding: Some(about),
                    reporting_controller: Some("pintle".to_owned()),
                    reporting_instance: Some("pintle".to_owned()),
                    type_: Some(if warning { "Warning" } else { "Normal" }.to_owned()),
                    ..Event::default()
                };
                api.create(&PostParams::default(), &event).await
            }
        };
        if let Err(error) = result {
            tracing::warn!(%error, reason, "event could not be published");
        }
    }

    /// If this was said just now: under which name, and how often with this time.
    fn repetition(&self, key: &(String, String, String)) -> Option<(String, i32)> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, told| told.when.elapsed() < REPETITION);
        let told = told.get_mut(key)?;
        told.count = told.count.saturating_add(1);
        told.when = Instant::now();
        Some((told.name.clone(), told.count))
    }

    fn remember(&self, key: (String, String, String), name: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < REMEMBERED {
            told.insert(key, Told { name: name.to_owned(), count: 1, when: Instant::now() });
        }
    }
}
