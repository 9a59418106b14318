//! What an operation would do, found out without doing it: every object is compared with what a server-side dry run would
//! make of it, and the differences are written as text.

mod shown;
mod unified;

use super::{CrdPolicy, Error, Workplace, advance, cursor::Action, hooks, objects};
use crate::{
    cluster::{self, Apply, ObjectId, Target, ownership},
    release::{HookRecord, Record},
};
use futures::future::join_all;
use shown::shown;
use std::fmt::Write as _;
use unified::unified;

/// Objects that are looked at at a time.
const AT_ONCE: usize = 8;
/// Longest text of differences, in bytes: well within what a ConfigMap holds.
const LONGEST: usize = 512 << 10;

/// What an operation would do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The differences, one object after the other, and the hooks that would run.
    pub text: String,
    /// Whether the text is longer than what is given of it.
    pub truncated: bool,
    /// Objects that would be created.
    pub create: u32,
    /// Objects that would be changed.
    pub change: u32,
    /// Objects that would be deleted.
    pub delete: u32,
    /// Hooks that would run.
    pub hooks: u32,
}

/// What would become of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Create,
    Change,
    Delete,
    Run,
}

impl Comparison {
    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Create => self.create += 1,
            Fate::Change => self.change += 1,
            Fate::Delete => self.delete += 1,
            Fate::Run => self.hooks += 1,
        }
    }

    /// Adds a part, as long as there is room. A part that does not fit ends the text, at the end of a line.
    fn add(&mut self, part: &str) {
        if self.truncated {
            return;
        }
        let room = LONGEST - self.text.len();
        if part.len() <= room {
            self.text.push_str(part);
            return;
        }
        let fits = &part[..part.floor_char_boundary(room)];
        self.text.push_str(fits.rfind('\n').map_or("", |end| &fits[..=end]));
        self.text.push_str("# the differences are longer than this: they are cut here\n");
        self.truncated = true;
    }

    /// An object's fate with the difference that it makes.
    fn object(&mut self, fate: Fate, title: &str, (before, after): (&str, &str)) {
        self.count(fate);
        if self.truncated {
            return;
        }
        let word = match fate {
            Fate::Create => "create",
            Fate::Change => "change",
            Fate::Delete => "delete",
            Fate::Run => "run",
        };
        let side = |text: &str| if text.is_empty() { "/dev/null".to_owned() } else { title.to_owned() };
        let mut part = format!("# {word} {title}\n");
        let diff = unified(before, after);
        if !diff.is_empty() {
            let _ = write!(part, "--- {}\n+++ {}\n{diff}", side(before), side(after));
        }
        self.add(&part);
    }
}

/// What is to be compared.
pub struct Proposed<'a> {
    /// What would be done.
    pub action: Action,
    /// The revision as it would be recorded.
    pub record: &'a Record,
    /// Definitions that the chart brings along, each list with what is done with it.
    pub definitions: &'a [(Vec<(String, String)>, CrdPolicy)],
    /// The revision that it would replace.
    pub base: Option<u32>,
}

/// Compares. Writes nothing.
///
/// # Errors
/// What would keep the operation from beginning: an object that the API server would refuse, or that belongs to somebody
/// else; an API server that cannot be asked.
pub async fn compare(proposed: &Proposed<'_>, at: &Workplace) -> Result<Comparison, Error> {
    let record = proposed.record;
    let mut comparison = Comparison::default();
    define(proposed.definitions, &mut comparison, at).await?;
    let old = advance::replaced(proposed.base, record, &[], at).await?.targets;
    let new = objects::targets(record, &at.cluster).await?;
    let mut refused = Vec::new();
    for some in new.chunks(AT_ONCE) {
        let looks: Vec<_> = some.iter().map(|target| look(target, &old, proposed, at)).collect();
        for found in join_all(looks).await {
            match found {
                Ok(Some((fate, title, before, after))) => comparison.object(fate, &title, (&before, &after)),
                Ok(None) => {}
                Err(Error::Cluster(error)) => refused.push(error),
                Err(error) => return Err(error),
            }
        }
    }
    if !refused.is_empty() {
        return Err(Error::Objects(refused));
    }
    for target in &old {
        if new.iter().any(|new| new.id.same_object(&target.id)) {
            continue;
        }
        if let Some((title, before)) = leaves(target, record, at).await? {
            comparison.object(Fate::Delete, &title, (&before, ""));
        }
    }
    runs(proposed, &mut comparison, at).await?;
    Ok(comparison)
}

/// An object's fate, its title, and how it is before and after.
type Look = Option<(Fate, String, String, String)>;

async fn look(target: &Target, old: &[Target], proposed: &Proposed<'_>, at: &Workplace) -> Result<Look, Error> {
    let known = old.iter().any(|before| before.id.same_object(&target.id));
    let record = proposed.record;
    let mut marked = target.clone();
    objects::mark(&mut marked, record, at);
    let how = Apply { manager: &at.manager, force: true, dry_run: true, strict: at.options.strict };
    let live = match at.cluster.get(&target.id).await {
        // Its kind may come with the release itself; a generated name is always a new one.
        Err(cluster::Error::UnknownKind { .. }) => {
            let (before, after) = shown(None, Some(marked.body));
            return Ok(Some((Fate::Create, title(&target.id), before, after)));
        }
        _ if target.id.name.is_empty() => None,
        live => live?,
    };
    if let (Some(live), false) = (&live, known) {
        let verb = if proposed.action == Action::Install { "install" } else { "update" };
        objects::may_take(&target.id, &live.metadata, record, verb, at)?;
    }
    let applied = match at.cluster.apply(&marked, &how).await {
        Ok(applied) => Some(applied.object),
        Err(error) if objects::is_undecided(&error) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(live) = live else {
        // What the chart says is shorter than what the API server would make of it, and is what is to be looked at.
        let (before, after) = shown(None, Some(marked.body));
        return Ok(Some((Fate::Create, title(&target.id), before, after)));
    };
    let json = |object| serde_json::to_value(object).unwrap_or_default();
    let after = applied.map_or(marked.body, json);
    let (before, after) = shown(Some(json(live)), Some(after));
    Ok((before != after).then(|| (Fate::Change, title(&target.id), before, after)))
}

/// An object that the new revision does not have, if it would be deleted.
async fn leaves(target: &Target, record: &Record, at: &Workplace) -> Result<Option<(String, String)>, Error> {
    let live = match at.cluster.get(&target.id).await {
        Ok(Some(live)) => live,
        Ok(None) | Err(cluster::Error::UnknownKind { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if ownership::is_kept(&live.metadata) || !objects::is_ours(&target.id, &live.metadata, record) {
        return Ok(None);
    }
    let (before, _) = shown(Some(serde_json::to_value(live).unwrap_or_default()), None);
    Ok(Some((title(&target.id), before)))
}

/// Definitions of kinds. They are long, and new ones say nothing that their name does not.
async fn define(
    definitions: &[(Vec<(String, String)>, CrdPolicy)],
    comparison: &mut Comparison,
    at: &Workplace,
) -> Result<(), Error> {
    for (files, policy) in definitions {
        if *policy == CrdPolicy::Skip {
            continue;
        }
        for file in files {
            for target in super::crds::definitions(file)? {
                match at.cluster.get(&target.id).await? {
                    None => comparison.object(Fate::Create, &title(&target.id), ("", "")),
                    Some(live) if *policy == CrdPolicy::CreateReplace => {
                        let how = Apply { manager: &at.manager, force: true, dry_run: true, strict: false };
                        let after = at.cluster.apply(&target, &how).await?.object;
                        let json = |object| serde_json::to_value(object).unwrap_or_default();
                        let (before, after) = shown(Some(json(live)), Some(json(after)));
                        if before != after {
                            comparison.object(Fate::Change, &title(&target.id), (&before, &after));
                        }
                    }
                    Some(_) => {}
                }
            }
        }
    }
    Ok(())
}

/// The hooks that would run, each with how it differs from the one of its name in the revision that runs.
async fn runs(proposed: &Proposed<'_>, comparison: &mut Comparison, at: &Workplace) -> Result<(), Error> {
    let base = match proposed.base {
        Some(version) => super::records::revision(&at.storage, &proposed.record.name, version).await?,
        None => None,
    };
    let earlier = base.as_ref().map(|stored| stored.record.hooks.as_slice()).unwrap_or_default();
    for event in advance::hook_events(proposed.action, at) {
        for which in hooks::of_event(proposed.record, event, &at.options.tests) {
            let hook = &proposed.record.hooks[which];
            let before = earlier.iter().find(|other| other.kind == hook.kind && other.name == hook.name);
            let before = match before {
                Some(before) => as_shown(before, proposed.record, at).await?,
                None => String::new(),
            };
            let after = as_shown(hook, proposed.record, at).await?;
            let title = format!("{event} hook {} {}", hook.kind, hook.name);
            comparison.object(Fate::Run, &title, (&before, &after));
        }
    }
    Ok(())
}

/// A hook's objects, nearly always one.
async fn as_shown(hook: &HookRecord, record: &Record, at: &Workplace) -> Result<String, Error> {
    let targets = at.cluster.targets(&hook.manifest, &record.namespace).await;
    let targets = targets.map_err(|error| objects::manifest(record.version, error))?;
    Ok(targets.into_iter().map(|target| shown(None, Some(target.body)).1).collect::<Vec<String>>().join("---\n"))
}

/// `apps/v1 Deployment shop/web`.
fn title(id: &ObjectId) -> String {
    let name = if id.name.is_empty() { "(generated name)" } else { "" };
    format!("{} {id}{name}", id.api_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_has_its_line_and_its_difference() {
        let mut comparison = Comparison::default();
        comparison.object(Fate::Create, "v1 ConfigMap a/b", ("", "x: 1\n"));
        comparison.object(Fate::Change, "v1 ConfigMap a/c", ("x: 1\n", "x: 2\n"));
        comparison.object(Fate::Delete, "v1 ConfigMap a/d", ("x: 1\n", ""));
        comparison.object(Fate::Run, "pre-upgrade hook Job e", ("x: 1\n", "x: 1\n"));
        assert_eq!(
            comparison.text,
            "# create v1 ConfigMap a/b\n--- /dev/null\n+++ v1 ConfigMap a/b\n@@ -0,0 +1,1 @@\n+x: 1\n\
             # change v1 ConfigMap a/c\n--- v1 ConfigMap a/c\n+++ v1 ConfigMap a/c\n@@ -1,1 +1,1 @@\n-x: 1\n+x: 2\n\
             # delete v1 ConfigMap a/d\n--- v1 ConfigMap a/d\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x: 1\n\
             # run pre-upgrade hook Job e\n"
        );
        let counts = (comparison.create, comparison.change, comparison.delete, comparison.hooks);
        assert_eq!((counts, comparison.truncated), ((1, 1, 1, 1), false));
    }

    #[test]
    fn a_long_text_is_cut_at_a_line_and_everything_is_counted() {
        let mut comparison = Comparison::default();
        let long = "ü: 1234567\n".repeat(20_000);
        for _ in 0..4 {
            comparison.object(Fate::Create, "v1 ConfigMap a/b", ("", &long));
        }
        assert!(comparison.truncated && comparison.create == 4);
        assert!(comparison.text.len() <= LONGEST + 100);
        assert!(
            comparison.text.ends_with("\n+ü: 1234567\n# the differences are longer than this: they are cut here\n")
        );
    }
}
