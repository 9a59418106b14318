//! Templates that know each other: which name means which body.

use crate::program::Template;
use foldhash::HashMap;
use std::sync::Arc;

/// Files under their names, linked: each may execute what any of them defines. Adding a file is cheap; it was parsed
/// before.
#[derive(Clone)]
pub struct Set {
    name: String,
    pub(crate) templates: Vec<Arc<Template>>,
    bodies: HashMap<Box<[u8]>, (u32, u32)>,
}

impl Set {
    /// An empty set. The name is what the error about a missing template shows; Helm's is `gotpl`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), templates: Vec::new(), bodies: HashMap::default() }
    }

    /// The set's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a file. Its bodies take the place of earlier ones of the same names, but for blank ones, which never do.
    pub fn add(&mut self, template: Arc<Template>) {
        let unit = u32::try_from(self.templates.len()).unwrap_or(u32::MAX);
        for (at, body) in (0..).zip(&template.bodies) {
            if !(body.is_blank && self.bodies.contains_key(&body.name)) {
                self.bodies.insert(body.name.clone(), (unit, at));
            }
        }
        self.templates.push(template);
    }

    /// Whether there is a template of this name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.bodies.contains_key(name)
    }

    /// The names that are known, from a to z.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let mut names: Vec<&[u8]> = self.bodies.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Whether a file is one of these, and no text made later.
    pub(crate) fn holds(&self, template: &Template) -> bool {
        self.templates.iter().any(|one| std::ptr::eq(&raw const **one, template))
    }

    /// The file and the body of a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<(u32, u32)> {
        self.bodies.get(name).copied()
    }
}
