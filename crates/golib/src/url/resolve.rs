//! References against a base.

use super::parse::Error;
use super::{Reason, Url};
use crate::filepath;

/// The path of a reference against the path of its base, without `.` and `..`.
fn resolve_path(base: &[u8], reference: &[u8]) -> Vec<u8> {
    let full = match reference.first() {
        None => base.to_vec(),
        Some(b'/') => reference.to_vec(),
        Some(_) => {
            let folder = base.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
            [&base[..folder], reference].concat()
        }
    };
    if full.is_empty() {
        return full;
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_in_folder = false;
    for part in full.strip_prefix(b"/").unwrap_or(&full).split(|&b| b == b'/') {
        ends_in_folder = matches!(part, b"." | b"..");
        match part {
            b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(part),
        }
    }
    if ends_in_folder {
        kept.push(b"");
    }
    [b"/", &kept.join(&b'/')[..]].concat()
}

impl Url {
    /// `u.ResolveReference(reference)`.
    #[must_use]
    pub fn resolve(&self, reference: &Self) -> Self {
        let mut url = reference.clone();
        let path = |url: &mut Self, base: &[u8], reference: &[u8]| {
            // Both were unescaped before, so this does not fail.
            let _ = url.set_path(&resolve_path(base, reference));
        };
        if reference.scheme.is_empty() {
            url.scheme.clone_from(&self.scheme);
        }
        if !reference.scheme.is_empty() || !reference.host.is_empty() || reference.user.is_some() {
            path(&mut url, &reference.escaped_path(), b"");
            return url;
        }
        if !reference.opaque.is_empty() {
            return url;
        }
        if reference.path.is_empty() && !reference.force_query && reference.raw_query.is_empty() {
            url.raw_query.clone_from(&self.raw_query);
            if reference.fragment.is_empty() {
                url.fragment.clone_from(&self.fragment);
                url.raw_fragment.clone_from(&self.raw_fragment);
            }
        }
        if reference.path.is_empty() && !self.opaque.is_empty() {
            url.opaque.clone_from(&self.opaque);
            return url;
        }
        url.host.clone_from(&self.host);
        url.user.clone_from(&self.user);
        path(&mut url, &self.escaped_path(), &reference.escaped_path());
        url
    }

    /// `u.JoinPath(elements...)`: the elements appended to the path, which is cleaned; a slash at the end is kept.
    pub fn join_path(&self, elements: &[&[u8]]) -> Result<Self, Reason> {
        let own = self.escaped_path();
        let relative = !own.starts_with(b"/");
        let own = if relative { [b"/", &own[..]].concat() } else { own };
        let mut parts = vec![&own[..]];
        parts.extend(elements);
        let mut path = filepath::join(&parts);
        if relative {
            path.remove(0);
        }
        if parts.last().is_some_and(|last| last.ends_with(b"/")) && !path.ends_with(b"/") {
            path.push(b'/');
        }
        let mut url = self.clone();
        url.set_path(&path)?;
        Ok(url)
    }
}

/// `url.JoinPath(base, elements...)`.
pub fn join_path(base: &[u8], elements: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let url = Url::parse(base)?;
    Ok(url.join_path(elements).unwrap_or(url).to_bytes())
}
